package configs

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what the bad files of testdata expect")

// wantMark begins the lines at the end of a bad file that say what textback says about it.
const wantMark = "# textback: "

// badFiles serves what the bad files name: secrets in every state in which they can be wrong.
func badFiles(path string) ([]byte, fs.FileMode, error) {
	switch filepath.Base(path) {
	case "forbidden":
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	case "empty":
		return []byte("\n"), 0o640, nil
	case "words.pem":
		return []byte("hunter2\n"), 0o640, nil
	case "long.txt":
		return []byte(strings.Repeat("hunter2", 20)), 0o640, nil
	case "two-lines":
		return []byte("hunter2\nhunter3\n"), 0o640, nil
	}
	return files(nil)(path)
}

func TestEveryMistakeIsRefusedWithItsPlaceAndWhatToWrite(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 40 {
		t.Fatalf("only %d bad files", len(paths))
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".toml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text, rest, _ := strings.Cut(string(data), wantMark)
			want := strings.Split(strings.TrimSpace(wantMark+rest), "\n")
			for i := range want {
				want[i] = strings.TrimPrefix(want[i], wantMark)
			}
			_, err = Parse("/etc/textback/textback.toml", data,
				Options{ReadFile: badFiles, Getenv: func(string) string { return "" }})
			if err == nil {
				t.Fatal("was accepted")
			}
			got := Lines(err)
			if strings.Contains(strings.Join(got, "\n"), "hunter2") {
				t.Errorf("a secret is in the error: %q", got)
			}
			if *update {
				out := strings.TrimRight(text, "\n") + "\n\n" + wantMark + strings.Join(got, "\n"+wantMark) + "\n"
				if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}

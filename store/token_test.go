package store

import (
	"testing"
)

func TestATokenTellsItsTextAndNothingElseDoes(t *testing.T) {
	x, err := newTokens([]byte("key of one file"))
	if err != nil {
		t.Fatal(err)
	}
	y, _ := newTokens([]byte("key of another"))
	seen := map[string]bool{}
	for i := range uint64(3000) {
		for _, id := range []uint64{i + 1, 1<<50 - 1 - i, i << 25} {
			token := x.of(id)
			if len(token) != TokenLength || x.text(token) != id {
				t.Fatalf("%d: %q tells %d", id, token, x.text(token))
			}
			if id > 0 && id < 1<<25 {
				if seen[token] {
					t.Errorf("%q a second time", token)
				}
				seen[token] = true
			}
			if y.text(token) == id {
				t.Errorf("%d: another file's key reads %q", id, token)
			}
		}
	}
	for _, token := range []string{"", "a", "abcdefghi", "abcdefghijk", "ABCDEFGHIJ", "abcdefgh1j", "abcdefghi\n", "abcdefghi\x00", "aaaaaaaa=="} {
		if id := x.text(token); id != 0 {
			t.Errorf("%q tells text %d", token, id)
		}
	}
}

func FuzzTokenIsReadBack(f *testing.F) {
	f.Add("abcdefghij")
	f.Add("77777 7777")
	x, err := newTokens([]byte("key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if id := x.text(token); id != 0 && x.of(id) != token {
			t.Errorf("%q tells %d, whose token is %q", token, id, x.of(id))
		}
	})
}

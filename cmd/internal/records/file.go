package records

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// readFiles reads a growing text file from the place where records of since may begin, and the files that it was rotated
// to before.
func readFiles(ctx context.Context, c *collector, s Source, since time.Time) error {
	rotated, err := rotatedFiles(s.Path, since.Add(-before))
	if err != nil {
		return err
	}
	for _, path := range rotated {
		if err := readFile(ctx, c, path, since, true); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return readFile(ctx, c, s.Path, since, false)
}

// rotatedFiles are the older files beside a growing one that were written to since: Master.csv.1, Master.csv-20261124,
// Master.csv.2026-11-24-08-00-00, each maybe with .gz. Oldest first.
func rotatedFiles(path string, since time.Time) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read the records: %w", err)
	}
	type file struct {
		path string
		at   time.Time
	}
	var found []file
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(path))
		if !ok || rest == "" || rest[0] != '.' && rest[0] != '-' || strings.Trim(strings.TrimSuffix(rest, ".gz"), "0123456789.-") != "" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && !info.ModTime().Before(since) {
			found = append(found, file{filepath.Join(filepath.Dir(path), e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b file) int { return a.at.Compare(b.at) })
	paths := make([]string, 0, len(found))
	for _, f := range found {
		paths = append(paths, f.path)
	}
	return paths, nil
}

func readFile(ctx context.Context, c *collector, path string, since time.Time, whole bool) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("read the records: %s is not a file: %w", path, cmp.Or(err, fs.ErrInvalid))
	}
	c.result.Files++
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("read the records: %s: %w", path, err)
		}
		defer z.Close()
		r = z
	} else if !since.IsZero() {
		if err := c.seek(f, since.Add(-before)); err != nil {
			return fmt.Errorf("read the records: %s: %w", path, err)
		}
	}
	if err := c.text(ctx, r, whole); err != nil {
		return fmt.Errorf("read the records: %s: %w", path, err)
	}
	return nil
}

// step is how much of a file is looked at on the way back from its end.
const step = 1 << 20

// seek goes back from the end of a file until a stretch in which every record is older than since: records are appended
// when a leg ends, so that they are in order but for the length of a call.
func (c *collector) seek(f *os.File, since time.Time) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	buf := make([]byte, step)
	for at := end - step; at > 0; at -= step {
		n, err := f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		text := string(buf[:n])
		begin := strings.IndexByte(text, '\n')
		if begin < 0 {
			continue
		}
		newest, any := time.Time{}, false
		for line := range strings.SplitSeq(text[begin+1:], "\n") {
			get := c.layout.getter(fields(line))
			for _, word := range []string{"start", "end"} {
				if t, ok := readTime(get(word), c.s.Timezone); ok {
					any = true
					newest = latest(newest, t)
				}
			}
		}
		if any && newest.Before(since) {
			_, err := f.Seek(at+int64(begin)+1, io.SeekStart)
			return err
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// text takes in the records of a text file. tail says whether a record without a line end counts.
func (c *collector) text(ctx context.Context, r io.Reader, tail bool) error {
	free := c.layout.form == formLeg // FreeSWITCH does not escape quotes
	skipped, err := lines(ctx, r, tail, !free, func(line string) error {
		if strings.TrimSpace(line) == "" {
			return nil
		}
		row := fields(line)
		if free {
			if c.width == 0 {
				c.width = cmp.Or(c.layout.width, len(row))
			}
			if len(row) != c.width {
				// A caller's name with quotes and commas has moved the columns: nothing in it can be believed.
				c.result.Rows++
				c.result.Skipped++
				return nil
			}
		}
		return c.row(c.layout.getter(row))
	})
	c.result.Rows += skipped
	c.result.Skipped += skipped
	return err
}

// readFolder reads the JSON records of a folder that were written since.
func readFolder(ctx context.Context, c *collector, s Source, since time.Time) error {
	dir, err := os.Open(s.Path)
	if err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(512) // such a folder may hold millions
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the records: %w", err)
		}
		for _, e := range entries {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !strings.HasSuffix(e.Name(), ".json") || strings.HasPrefix(e.Name(), "b_") {
				continue
			}
			if info, err := e.Info(); err != nil || !info.Mode().IsRegular() || info.ModTime().Before(since) {
				continue
			}
			if err := c.json(filepath.Join(s.Path, e.Name())); err != nil {
				return err
			}
		}
	}
}

func (c *collector) json(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // taken away by whoever reads them too
	}
	if err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return fmt.Errorf("read the records: %s: %w", path, err)
	}
	c.result.Files++
	return c.jsonRow(b)
}

func (c *collector) jsonRow(b []byte) error {
	c.result.Rows++
	r, err := parseJSON(b)
	if err != nil || len(b) > maxJSON {
		c.result.Skipped++
		return nil
	}
	c.legs = append(c.legs, r)
	return c.full()
}

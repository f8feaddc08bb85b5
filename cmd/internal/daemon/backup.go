package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"textback/cmd/internal/control"
)

// backupTo writes a backup for a command.
func (d *Daemon) backupTo(ctx context.Context, a BackupArgs) (*BackupArgs, error) {
	// The path of the start: a reload does not move the file.
	if err := BackupTarget(a.Path, d.o.Config.State); err != nil {
		return nil, err
	}
	if err := d.store.Backup(ctx, a.Path); err != nil {
		return nil, err
	}
	d.log.Info("backup", "file", a.Path)
	return &a, nil
}

// BackupTarget tells why a backup of the file state must not be written to path: the copy takes the place of what is there.
// In the place of the state file itself it would be what the next start finds, while the daemon goes on writing to a file
// without a name: all opt-outs and texts until then would be lost. An older backup may be replaced, and nothing else.
func BackupTarget(path, state string) error {
	if !filepath.IsAbs(path) {
		return &control.Error{Code: "path", Message: "the path of a backup must be absolute",
			Hint: "the daemon writes it, from its own folder"}
	}
	if same(path, state) || same(path+".tmp", state) { // .tmp: by way of which it is written
		return &control.Error{Code: "path", Message: path + " is the state file itself: nothing was written",
			Hint: "name another file"}
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at what is at the place of the backup: %w", err)
	case info.IsDir():
		return &control.Error{Code: "path", Message: path + " is a folder: nothing was written", Hint: "name a file in it"}
	case info.Mode().IsRegular() && (info.Size() == 0 || isState(path)):
		return nil
	}
	return &control.Error{Code: "path", Message: path + " exists and is no backup: nothing was written",
		Hint: "name another file; only an older backup is replaced"}
}

// same tells whether two paths lead to one file, or are to.
func same(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// isState tells whether a file begins as bbolt's files do: a page header of 16 bytes, and the magic 0xED0CDAED in the byte
// order of the machine (bbolt, internal/common/meta.go).
func isState(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 20)
	if _, err := io.ReadFull(f, head); err != nil {
		return false
	}
	magic := head[16:]
	return bytes.Equal(magic, []byte{0xed, 0xda, 0x0c, 0xed}) || bytes.Equal(magic, []byte{0xed, 0x0c, 0xda, 0xed})
}

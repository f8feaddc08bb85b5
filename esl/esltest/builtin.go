package esltest

import (
	"embed"
	"io/fs"
)

//go:embed recordings
var builtin embed.FS

// Builtin are a dozen of the recordings, with their truth: calls answered, missed in each way, and those that only look
// missed or answered. They hold the events that textback subscribes to, and nothing of the pauses before and after.
func Builtin() ([]*Recording, error) {
	folder, err := fs.Sub(builtin, "recordings")
	if err != nil {
		return nil, err
	}
	return LoadRecordings(folder)
}

package esltest

import (
	"embed"
	"io/fs"
)

//go:embed recordings
var recordings embed.FS

// Recorded are some of the recordings, with their truth, for [LoadRecordings]: calls answered, missed in each way, and
// those that only look missed or answered. They hold the events that textback subscribes to, and nothing of the pauses
// before and after.
func Recorded() fs.FS {
	folder, err := fs.Sub(recordings, "recordings")
	if err != nil {
		panic(err) // only for a name that is no path
	}
	return folder
}

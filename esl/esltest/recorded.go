package esltest

import (
	"embed"
	"io/fs"
)

//go:embed recorded
var recorded embed.FS

// Recorded holds streams of real calls, recorded from a FreeSWITCH 1.10.12 subscribed to everything, each with its truth:
// NAME.esl.gz and NAME.json; and logins, 00-handshake-*.esl.
func Recorded() fs.FS {
	sub, err := fs.Sub(recorded, "recorded")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

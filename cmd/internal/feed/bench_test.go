package feed

import (
	"testing"
)

// BenchmarkTell is what an event costs whoever tells it, with nobody watching and with one who keeps up.
func BenchmarkTell(b *testing.B) {
	for _, watched := range []bool{false, true} {
		name := "nobody watches"
		if watched {
			name = "one watches"
		}
		b.Run(name, func(b *testing.B) {
			var f Feed
			if watched {
				_, _, w, err := f.Watch(0, 0)
				if err != nil {
					b.Fatal(err)
				}
				go func() {
					for range w.Events() {
					}
				}()
				defer w.Close()
			}
			v := Verdict{Reason: "text"}
			b.ReportAllocs()
			for b.Loop() {
				f.Tell("call.verdict", t0, "+12025550142", v)
			}
		})
	}
}

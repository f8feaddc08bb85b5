package esltest_test

import (
	"testing"

	"textback/esl/esltest"
)

// BenchmarkPlay is one call, rewritten and written as JSON for one subscriber that is not there: what a load costs the
// simulated side alone.
func BenchmarkPlay(b *testing.B) {
	whole, err := esltest.LoadRecording(traces + "/03-direct-no-answer.esl.gz")
	if err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]*esltest.Recording{
		"all":  whole,
		"only": whole.Only("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_HANGUP_COMPLETE"),
	} {
		b.Run(name, func(b *testing.B) {
			pbx := esltest.New(esltest.Options{Heartbeat: -1})
			defer pbx.Close()
			for b.Loop() {
				if _, err := pbx.Play(b.Context(), r, esltest.PlayOptions{Numbers: r.Callers("+15559990001")}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

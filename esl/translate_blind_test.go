package esl

import (
	"testing"
	"time"

	"textback"
)

// TestABlindReadBackEndsNothing: where the live channels could not be listed, an empty list is no proof that a call is gone.
func TestABlindReadBackEndsNothing(t *testing.T) {
	tr := NewTranslator(TranslateOptions{PBX: "hq"})
	blind := Message{Kind: MessageUp, Seen: time.Now(), Snapshot: &Snapshot{Blind: ErrReadBack}}
	if got := tr.Translate(blind); len(got) != 0 {
		t.Errorf("a blind read-back told %v", got)
	}
	blind.Snapshot.Restarted = true
	if got := tr.Translate(blind); len(got) != 1 || got[0].Kind != textback.LinkUp || !got[0].Restarted {
		t.Errorf("a restart told %v, want a link that is up again with nothing alive", got)
	}
}

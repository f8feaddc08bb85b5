package daemon

import (
	"fmt"
	"testing"
	"time"

	"textback"
	"textback/rules"
)

// TestWhoIsCalledBackAtOnceIsNotTextedHoweverHerNumberIsWritten: a PBX shows a caller as a URI and the number that is
// called back in digits; both calls are of one person, and the missed one is judged first.
func TestWhoIsCalledBackAtOnceIsNotTextedHoweverHerNumberIsWritten(t *testing.T) {
	d := still(t)
	conf := d.conf.Load().cfg
	p := &pbx{name: "hq", queue: newChanges(), done: make(chan struct{})}
	p.conf.Store(&conf.PBXs[0])
	now := time.Now()
	var list []textback.Change
	const people = 100
	for n := range people {
		number := fmt.Sprintf("+1%03d%07d", 201+n*7, n)
		shown := fmt.Sprintf(`"Somebody" <sip:%s@192.0.2.1;user=phone>`, number)
		if n%2 == 1 {
			shown = fmt.Sprintf("%s %s-%s", number[:5], number[5:8], number[8:])
		}
		missed := textback.Call{ID: fmt.Sprint("hq/in", n), PBX: "hq", Direction: textback.Inbound, Outcome: textback.NoAnswer,
			Party: textback.Party{Number: shown}, Dialled: []string{conf.Set.Lines[0].Number}, Begin: now.Add(-time.Minute), End: now}
		back := textback.Call{ID: fmt.Sprint("hq/out", n), PBX: "hq", Direction: textback.Outbound, Party: textback.Party{Number: number},
			Begin: now, Connected: now}
		list = append(list, textback.Change{Kind: textback.CallEnded, Call: missed}, textback.Change{Kind: textback.CallConnected, Call: back})
	}
	p.queue.put(list, now)
	p.queue.close()
	d.judge(t.Context(), p)
	s, err := d.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Verdicts != people {
		t.Errorf("%d verdicts, want %d", s.Verdicts, people)
	}
	if n := s.Texts[textback.Queued]; n != 0 {
		t.Errorf("%d texts wait for people who were talked to", n)
	}
	if s.Texts[textback.Cancelled] == 0 {
		t.Error("no text was ever taken back")
	}
}

// TestTextsThatAnotherLinesGuardCountsAreRemembered: the guard counts the texts of all lines, so what is remembered of a
// caller is what the line with the largest figure asks for.
func TestTextsThatAnotherLinesGuardCountsAreRemembered(t *testing.T) {
	d := still(t)
	cfg := d.conf.Load().cfg
	if len(cfg.Set.Lines) < 2 {
		t.Fatal("the configuration has one line")
	}
	cfg.Set.Lines[1].Policy.MaxUnreplied = 40
	if k := d.keys(cfg, rules.Facts{Line: cfg.Set.Lines[0]}); k.Recall != 40 {
		t.Errorf("%d texts are remembered, want 40", k.Recall)
	}
}

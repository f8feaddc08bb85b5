package feed

import (
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

var t0 = time.Date(2026, 11, 24, 15, 30, 0, 0, time.UTC)

func seqs(list []Event) (all []uint64) {
	for _, e := range list {
		all = append(all, e.Seq)
	}
	return all
}

func TestAWatcherWhoComesLaterSeesTheCallsInProgressAndWhatWasBefore(t *testing.T) {
	var f Feed
	f.Call(TypeRinging, t0, Call{ID: "hq/1", Number: "+12025550142", Begin: t0})
	f.Call(TypeRinging, t0.Add(time.Second), Call{ID: "hq/2", Begin: t0.Add(time.Second)})
	f.Call(TypeConnected, t0.Add(2*time.Second), Call{ID: "hq/2", Begin: t0.Add(time.Second), Connected: &t0})
	f.Call(TypeEnded, t0.Add(3*time.Second), Call{ID: "hq/1", Outcome: "abandoned"})
	calls, before, w, err := f.Watch(0, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if len(calls) != 1 || calls[0].ID != "hq/2" || calls[0].Connected == nil {
		t.Errorf("in progress: %+v", calls)
	}
	if got := seqs(before); len(got) != 3 || got[0] != 2 || got[2] != 4 {
		t.Errorf("before: %v", got)
	}
	f.Tell(TypeLog, t0, "", Line{ID: "smpp-up"})
	if e := <-w.Events(); e.Seq != 5 || e.Type != TypeLog {
		t.Errorf("%+v", e)
	}
	if _, again, w2, _ := f.Watch(4, 100); len(again) != 1 || again[0].Seq != 5 {
		t.Errorf("who comes back after 4 sees %v", seqs(again))
	} else {
		w2.Close()
	}
}

// TestASlowWatcherIsLetGoAndNobodyWaitsForHim: telling goes on although one watcher takes nothing; the other sees all of it.
func TestASlowWatcherIsLetGoAndNobodyWaitsForHim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Feed
		_, _, slow, _ := f.Watch(0, 0)
		_, _, good, _ := f.Watch(0, 0)
		took := make(chan int)
		go func() {
			n := 0
			for range good.Events() {
				n++
			}
			took <- n
		}()
		const many = 3 * queueSize
		for range many {
			f.Tell(TypeLog, t0, "", Line{ID: "x"})
			if f.seq%100 == 0 {
				synctest.Wait() // the good one keeps up
			}
		}
		if !errors.Is(slow.Err(), ErrSlow) {
			t.Errorf("the slow one: %v", slow.Err())
		}
		n := 0
		for range slow.Events() { // what had come by then can still be read
			n++
		}
		if n != queueSize {
			t.Errorf("%d waited for the slow one", n)
		}
		synctest.Wait()
		good.Close()
		if n := <-took; n != many {
			t.Errorf("the good one saw %d of %d", n, many)
		}
		slow.Close() // once more is nothing
		if f.Watching() > 0 {
			t.Error("somebody is left")
		}
	})
}

func TestOnlySoManyWatchAndAPlaceBecomesFree(t *testing.T) {
	var f Feed
	var last *Watcher
	for range maxWatch {
		_, _, w, err := f.Watch(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		last = w
	}
	if _, _, _, err := f.Watch(0, 0); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	last.Close()
	if _, _, _, err := f.Watch(0, 0); err != nil {
		t.Errorf("after one went: %v", err)
	}
}

func TestAForgottenPersonIsNotShownToWhoComesLater(t *testing.T) {
	var f Feed
	f.Tell("reply.received", t0, "+12025550142", Reply{Body: "my address is"})
	f.Tell("reply.received", t0, "+12025550177", Reply{Body: "hello"})
	f.Forget("+12025550142")
	_, before, w, _ := f.Watch(0, 100)
	defer w.Close()
	if got := seqs(before); len(got) != 1 || got[0] != 2 {
		t.Errorf("kept: %v", got)
	}
}

// TestLinesOfTheLogAreToldUnlessAnEventStandsForThem, and whatever the log's own level is.
func TestLinesOfTheLogAreToldUnlessAnEventStandsForThem(t *testing.T) {
	var f Feed
	log := slog.New(&Log{Handler: slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}), Feed: &f})
	log.Info("verdict", "call", "hq/1")
	log.Debug("smpp", "state", "binding")
	log.Info("smpp-up", "smpp", "carrier", "peer", "SMSC")
	_, before, w, _ := f.Watch(0, 100)
	defer w.Close()
	if len(before) != 1 {
		t.Fatalf("%+v", before)
	}
	line, ok := before[0].Data.(Line)
	if !ok || line.ID != "smpp-up" || line.Level != "info" || len(line.Pairs) != 2 || line.Pairs[1] != [2]string{"peer", "SMSC"} {
		t.Errorf("%+v", before[0])
	}
}

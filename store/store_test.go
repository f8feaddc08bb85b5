package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"textback"
)

// t0 is when all tests begin: a Tuesday afternoon.
var t0 = time.Date(2026, 11, 24, 15, 30, 0, 0, time.UTC)

func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "textback.db")
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func missed(id, from string, at time.Time) textback.Call {
	return textback.Call{ID: id, PBX: "hq", Direction: textback.Inbound, Party: textback.Party{Number: from},
		Begin: at.Add(-20 * time.Second), End: at, Ring: 20 * time.Second, Outcome: textback.NoAnswer}
}

const (
	acme  = "acme"
	line  = "+12025550100"
	alice = "+12025550142"
	bob   = "+12025550177"
)

func keys(caller string) Keys {
	k := Keys{Business: acme, Line: line, Caller: caller, RepeatWithin: 720 * time.Hour, InThread: 8 * time.Hour}
	if len(caller) > 4 {
		k.Block = caller[:len(caller)-4]
	}
	return k
}

// window is the simplest policy: one text in 24 hours, and none to those who opted out.
func window(caller string, at time.Time) func(textback.History) textback.Decision {
	return func(h textback.History) textback.Decision {
		d := textback.Decision{Reason: textback.ReasonText, Business: acme, Line: line, Caller: caller, Template: "open",
			Due: at.Add(5 * time.Second), Expires: at.Add(time.Hour), From: line}
		switch {
		case h.OptedOut:
			d.Reason = textback.ReasonOptedOut
		case !h.LastText.IsZero() && at.Sub(h.LastText) < 24*time.Hour:
			d.Reason = textback.ReasonWindow
		}
		return d
	}
}

func decide(t testing.TB, s *Store, id, caller string, at time.Time) (textback.Verdict, *textback.Text) {
	t.Helper()
	v, text, err := s.Decide(t.Context(), missed(id, caller, at), keys(caller), at, window(caller, at))
	if err != nil {
		t.Fatal(err)
	}
	return v, text
}

func history(t testing.TB, s *Store, caller string, at time.Time) textback.History {
	t.Helper()
	h, err := s.History(t.Context(), keys(caller), at)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func verify(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Verify(t.Context()); err != nil {
		t.Errorf("verify: %v", err)
	}
	sameRates(t, s)
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSecondProcessIsToldWhoHoldsTheFile(t *testing.T) {
	s := open(t, Options{})
	for _, ro := range []bool{false, true} {
		_, err := Open(Options{Path: s.opts.Path, ReadOnly: ro, Timeout: 60 * time.Millisecond})
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "control socket") {
			t.Errorf("read-only %t: %v", ro, err)
		}
	}
}

func TestReadOnlyOpensWithoutDaemonAndRefusesWrites(t *testing.T) {
	s := open(t, Options{})
	v, _ := decide(t, s, "hq/1", alice, t0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ro := open(t, Options{Path: s.opts.Path, ReadOnly: true})
	if got := must[textback.Verdict](t)(ro.Verdict(t.Context(), "hq/1")); got.TextID != v.TextID {
		t.Errorf("text %d, want %d", got.TextID, v.TextID)
	}
	if err := ro.Enqueue(t.Context(), t0, Delivery{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	s := open(t, Options{})
	_ = s.Close()
	db, err := bolt.Open(s.opts.Path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("99")) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.opts); !errors.Is(err, ErrNewer) {
		t.Errorf("open: %v", err)
	}
}

func TestFileIsPrivate(t *testing.T) {
	s := open(t, Options{})
	info, err := os.Stat(s.opts.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestHundredCallsOfOneCallerGiveOneText(t *testing.T) {
	s := open(t, Options{})
	var texts atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			v, text, err := s.Decide(t.Context(), missed(fmt.Sprint("hq/", i), alice, t0), keys(alice), t0, window(alice, t0))
			switch {
			case err != nil:
				t.Error(err)
			case text != nil:
				texts.Add(1)
			case v.Decision.Reason != textback.ReasonWindow:
				t.Errorf("reason %s", v.Decision.Reason)
			}
		})
	}
	wg.Wait()
	if texts.Load() != 1 {
		t.Errorf("%d texts", texts.Load())
	}
	st := must[Stats](t)(s.Stats(t.Context()))
	if st.Missed != 100 || st.Verdicts != 100 || st.Texts[textback.Queued] != 1 {
		t.Errorf("%+v", st)
	}
	verify(t, s)
}

func TestSecondDecideOfACallDoesNothing(t *testing.T) {
	s := open(t, Options{})
	v, text := decide(t, s, "hq/1", alice, t0)
	again, text2, err := s.Decide(t.Context(), missed("hq/1", alice, t0), keys(alice), t0.Add(time.Hour), func(textback.History) textback.Decision {
		t.Error("asked again")
		return textback.Decision{}
	})
	if err != nil || again.TextID != v.TextID || text2 == nil || text2.Token != text.Token || !again.At.Equal(v.At) {
		t.Errorf("%+v %+v %v", again, text2, err)
	}
	if h := history(t, s, alice, t0.Add(time.Minute)); h.Missed != 1 {
		t.Errorf("%d missed calls", h.Missed)
	}
}

func TestAnsweredCallsGetNoVerdict(t *testing.T) {
	s := open(t, Options{})
	c := missed("hq/1", alice, t0)
	c.Outcome = textback.Answered
	if _, _, err := s.Decide(t.Context(), c, keys(alice), t0, window(alice, t0)); err == nil {
		t.Error("no error")
	}
}

func TestPanicInADecisionReachesItsCallerOnly(t *testing.T) {
	s := open(t, Options{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			defer func() {
				if r := recover(); (r != nil) != (i == 7) {
					t.Errorf("call %d: %v", i, r)
				}
			}()
			num := fmt.Sprintf("+1202555%04d", i)
			_, _, err := s.Decide(t.Context(), missed(fmt.Sprint("hq/", i), num, t0), keys(num), t0, func(h textback.History) textback.Decision {
				if i == 7 {
					panic("rules are broken")
				}
				return window(num, t0)(h)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if st := must[Stats](t)(s.Stats(t.Context())); st.Missed != 19 || st.Texts[textback.Queued] != 19 {
		t.Errorf("%+v", st)
	}
	verify(t, s)
}

func TestFailedOperationLeavesNothingBehindInItsGroup(t *testing.T) {
	s := open(t, Options{})
	sick := errors.New("sick")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			err := s.update(t.Context(), t0, func(w *work) error {
				w.put(tMeta, []byte("shared"), key(nil).num(number(w.get(tMeta, []byte("shared")))+1))
				w.put(tMeta, fmt.Append(nil, "own", i), []byte("x"))
				if i%2 == 0 {
					return sick
				}
				return nil
			})
			if (i%2 == 0) != errors.Is(err, sick) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_ = s.view(t.Context(), t0, func(w *work) error {
		if n := number(w.get(tMeta, []byte("shared"))); n != 25 {
			t.Errorf("shared counter is %d", n)
		}
		for i := range 50 {
			if w.has(tMeta, fmt.Append(nil, "own", i)) != (i%2 == 1) {
				t.Errorf("key of %d", i)
			}
		}
		return nil
	})
}

func TestFailedCommitIsReportedAndTheStoreGoesOn(t *testing.T) {
	var full atomic.Bool
	s := open(t, Options{BeforeCommit: func() error {
		if full.Load() {
			return errors.New("no space left on device")
		}
		return nil
	}})
	full.Store(true)
	if _, _, err := s.Decide(t.Context(), missed("hq/1", alice, t0), keys(alice), t0, window(alice, t0)); err == nil {
		t.Fatal("no error")
	}
	if st := must[Stats](t)(s.Stats(t.Context())); st.Failed != 1 || st.LastError == "" || st.Missed != 0 {
		t.Errorf("%+v", st)
	}
	full.Store(false)
	if _, text := decide(t, s, "hq/1", alice, t0); text == nil {
		t.Error("no text after the disk had room again")
	}
	verify(t, s)
}

func TestFullFileIsReportedAndReadsGoOn(t *testing.T) {
	s := open(t, Options{MaxSize: 1 << 20})
	var err error
	n := 0
	for ; err == nil && n < 5000; n++ {
		err = s.Enqueue(t.Context(), t0, Delivery{Target: "crm", Payload: make([]byte, 10_000)})
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("after %d: %v", n, err)
	}
	due := must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0, 0))
	if len(due) != n-1 {
		t.Errorf("%d hand-offs of %d", len(due), n-1)
	}
	for _, d := range due[:len(due)/2] {
		if err := s.Delivered(t.Context(), d.ID, t0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Enqueue(t.Context(), t0, Delivery{Target: "crm", Payload: make([]byte, 10_000)}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t, Options{})
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Enqueue(t.Context(), t0, Delivery{}); !errors.Is(err, ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Due(t.Context(), t0, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

func TestDamagedFileGivesAClearError(t *testing.T) {
	s := open(t, Options{})
	for i := range 300 {
		decide(t, s, fmt.Sprint("hq/", i), fmt.Sprintf("+1202555%04d", i), t0)
	}
	_ = s.Close()
	good, err := os.ReadFile(s.opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	damage := map[string]func([]byte) []byte{
		"no database":       func(b []byte) []byte { return []byte(strings.Repeat("not a database\n", 2000)) },
		"cut short":         func(b []byte) []byte { return b[:len(b)/2] },
		"a few bytes":       func(b []byte) []byte { return b[:10] },
		"both metas zeroed": func(b []byte) []byte { clear(b[:2*page]); return b },
		"everything zeroed": func(b []byte) []byte { clear(b); return b },
		"pages zeroed":      func(b []byte) []byte { clear(b[2*page:]); return b },
		"pages overwritten": func(b []byte) []byte {
			for i := 2 * page; i < len(b); i++ {
				b[i] ^= 0xa5
			}
			return b
		},
		"pages moved by one": func(b []byte) []byte { copy(b[3*page:], b[2*page:]); return b },
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "textback.db")
			if err := os.WriteFile(path, spoil(append([]byte{}, good...)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Options{Path: path})
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("open: %v", err)
			}
		})
	}
}

func TestAnySingleDamagedPageNeverCrashesOpen(t *testing.T) {
	s := open(t, Options{})
	for i := range 60 {
		decide(t, s, fmt.Sprint("hq/", i), fmt.Sprintf("+1202555%04d", i), t0)
	}
	_ = s.Close()
	good, err := os.ReadFile(s.opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "textback.db")
	page, refused := os.Getpagesize(), 0
	for at := 0; at+page <= len(good); at += page {
		b := append([]byte{}, good...)
		for i := at; i < at+64; i++ {
			b[i] ^= 0xff
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{Path: path})
		if err == nil {
			_ = s.Close() // a free page, or one of the two metas
		} else if !errors.Is(err, ErrCorrupt) {
			t.Errorf("page %d: %v", at/page, err)
		} else {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("only %d damaged pages were noticed", refused)
	}
}

func TestFileThatIsMostlyFreeIsRewritten(t *testing.T) {
	s := open(t, Options{})
	for i := range 60 {
		if err := s.Enqueue(t.Context(), t0, Delivery{Target: "crm", Payload: make([]byte, 200_000), Due: t0.Add(time.Duration(i))}); err != nil {
			t.Fatal(err)
		}
	}
	decide(t, s, "hq/1", alice, t0)
	for _, d := range must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0.Add(time.Hour), 0)) {
		if err := s.Delivered(t.Context(), d.ID, t0); err != nil {
			t.Fatal(err)
		}
	}
	before := must[Stats](t)(s.Stats(t.Context()))
	_ = s.Close()
	s = open(t, Options{Path: s.opts.Path})
	after := must[Stats](t)(s.Stats(t.Context()))
	if after.Size*4 > before.Size {
		t.Errorf("%d bytes before, %d after", before.Size, after.Size)
	}
	if _, err := s.Verdict(t.Context(), "hq/1"); err != nil {
		t.Error(err)
	}
	if h := history(t, s, alice, t0); h.LastText.IsZero() {
		t.Error("the claim is gone")
	}
	verify(t, s)
}

func TestBackupIsACompleteStateFileTakenWhileInUse(t *testing.T) {
	s := open(t, Options{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				num := fmt.Sprintf("+1303555%04d", i)
				if _, _, err := s.Decide(t.Context(), missed(fmt.Sprint("load/", i), num, t0), keys(num), t0, window(num, t0)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	decide(t, s, "hq/1", alice, t0)
	path := filepath.Join(t.TempDir(), "backup.db")
	for range 3 {
		if err := s.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temporary file: %v", err)
	}
	b := open(t, Options{Path: path})
	if _, err := b.Verdict(t.Context(), "hq/1"); err != nil {
		t.Error(err)
	}
	verify(t, b)
}

// TestRealFullDisk wants a small file system of its own: mount -t tmpfs -o size=6m tmpfs DIR; TEXTBACK_FULL_DISK=DIR.
func TestRealFullDisk(t *testing.T) {
	dir := os.Getenv("TEXTBACK_FULL_DISK")
	if dir == "" {
		t.Skip("TEXTBACK_FULL_DISK names no small file system")
	}
	s := open(t, Options{Path: filepath.Join(dir, fmt.Sprint("textback-", os.Getpid(), ".db"))})
	t.Cleanup(func() { _ = os.Remove(s.opts.Path) })
	var err error
	n := 0
	for ; err == nil && n < 5000; n++ {
		err = s.Enqueue(t.Context(), t0, Delivery{Target: "crm", Payload: make([]byte, 30_000)})
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("after %d: %v", n, err)
	}
	due := must[[]Delivery](t)(s.DueDeliveries(t.Context(), t0, 0))
	if len(due) != n-1 {
		t.Errorf("%d hand-offs, %d were acknowledged", len(due), n-1)
	}
	for _, d := range due[:3*len(due)/4] {
		if err := s.Delivered(t.Context(), d.ID, t0); err != nil {
			t.Fatalf("delete on a full disk: %v", err)
		}
	}
	if _, text := decide(t, s, "hq/1", alice, t0); text == nil {
		t.Error("no text after room was made")
	}
	verify(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, open(t, Options{Path: s.opts.Path}))
}

package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"textback"
)

const plumb = "plumb" // a second business

func stop(number string, confirm bool, businesses ...string) OptChange {
	if len(businesses) == 0 {
		businesses = []string{acme}
	}
	c := OptChange{Number: number, Businesses: businesses, Source: SourceSMS, Line: line, Wording: "STOP"}
	if confirm {
		c.Confirm = &textback.Text{From: line, Body: "Acme: you will get no more texts."}
	}
	return c
}

func TestOptOutCancelsEverythingQueuedAndConfirmsOnce(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	must[textback.Text](t)(s.QueueText(t.Context(), NewText{Text: textback.Text{Kind: textback.BranchText, Business: acme, To: alice}}, t0))
	must[textback.Text](t)(s.QueueText(t.Context(), NewText{Text: textback.Text{Kind: textback.StaffText, Business: acme, To: alice}}, t0))
	_, bobs := decide(t, s, "hq/2", bob, t0)

	r := must[OptResult](t)(s.OptOut(t.Context(), stop(alice, true), t0.Add(time.Second)))
	if !r.Changed || len(r.Cancelled) != 2 || r.Confirmation == nil || r.Confirmation.Kind != textback.ConfirmationText || r.Confirmation.To != alice {
		t.Fatalf("%+v", r)
	}
	again := must[OptResult](t)(s.OptOut(t.Context(), stop(alice, true), t0.Add(2*time.Second)))
	if again.Changed || again.Confirmation != nil {
		t.Errorf("second STOP: %+v", again)
	}
	if got := must[textback.Text](t)(s.Text(t.Context(), text.ID)); got.State != textback.Cancelled {
		t.Errorf("text is %s", got.State)
	}
	if got := must[textback.Text](t)(s.Text(t.Context(), bobs.ID)); got.State != textback.Queued {
		t.Errorf("another's text is %s", got.State)
	}
	if h := history(t, s, alice, t0); !h.OptedOut || !h.LastText.IsZero() {
		t.Errorf("%+v", h)
	}
	for kind, want := range map[textback.TextKind]error{textback.BranchText: ErrOptedOut, textback.BookingText: ErrOptedOut,
		textback.PersonText: ErrOptedOut, textback.HelpText: nil, textback.StaffText: nil} {
		if _, err := s.QueueText(t.Context(), NewText{Text: textback.Text{Kind: kind, Business: acme, To: alice}}, t0); !errors.Is(err, want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	verify(t, s)
}

func TestStopThatIsHandledTwiceCountsOnce(t *testing.T) {
	s := open(t, Options{})
	reply(t, s, alice, "hello", t0)
	in := must[Saved](t)(s.SaveIncoming(t.Context(), Incoming{Link: "carrier", From: alice, To: line, Body: "STOP"}, time.Minute, t0))
	c := stop(alice, true)
	c.Incoming = in.ID
	must[OptResult](t)(s.OptOut(t.Context(), c, t0))
	if r := must[OptResult](t)(s.OptOut(t.Context(), c, t0)); r.Changed || r.Confirmation != nil {
		t.Errorf("%+v", r)
	}
	if th := must[textback.Thread](t)(s.OpenThread(t.Context(), alice, acme)); len(th.Messages) != 2 {
		t.Errorf("%+v", th.Messages)
	}
	if again := must[textback.Text](t)(s.QueueText(t.Context(), NewText{Text: textback.Text{Kind: textback.HelpText, Business: acme, To: alice}, Incoming: in.ID}, t0)); again.ID != 0 {
		t.Errorf("%+v", again)
	}
}

func TestStopStartStopIsConfirmedOnceInFiveMinutes(t *testing.T) {
	s := open(t, Options{})
	at := t0
	confirmed := 0
	step := func(in bool) {
		c := stop(alice, true)
		op := s.OptOut
		if in {
			c.Confirm, op = nil, s.OptIn
		}
		if r := must[OptResult](t)(op(t.Context(), c, at)); r.Confirmation != nil {
			confirmed++
		}
		at = at.Add(time.Minute)
	}
	for _, in := range []bool{false, true, false} {
		step(in)
	}
	if confirmed != 1 {
		t.Errorf("%d confirmations", confirmed)
	}
	at = at.Add(10 * time.Minute)
	step(true)
	if step(false); confirmed != 2 {
		t.Errorf("%d confirmations after ten minutes", confirmed)
	}
	verify(t, s)
}

func TestManyStopsAtOnceGiveOneConfirmation(t *testing.T) {
	s := open(t, Options{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 30 {
		wg.Go(func() {
			r, err := s.OptOut(t.Context(), stop(alice, true), t0)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if r.Confirmation != nil {
				n++
			}
		})
	}
	wg.Wait()
	if n != 1 {
		t.Errorf("%d confirmations", n)
	}
}

func TestOptOutOfASharedSenderCounts(t *testing.T) {
	s := open(t, Options{})
	must[OptResult](t)(s.OptOut(t.Context(), stop(alice, false, plumb), t0))
	k := keys(alice)
	if h := must[textback.History](t)(s.History(t.Context(), k, t0)); h.OptedOut {
		t.Error("opted out of the other business only")
	}
	k.SharedWith = []string{plumb}
	if h := must[textback.History](t)(s.History(t.Context(), k, t0)); !h.OptedOut {
		t.Error("they text from the same sender")
	}
	if out := must[bool](t)(s.OptedOut(t.Context(), alice, acme, plumb)); !out {
		t.Error("not out of any")
	}
}

func TestLedgerChainShowsEveryChange(t *testing.T) {
	fill := func(t *testing.T) *Store {
		s := open(t, Options{})
		for i := range 5 {
			must[OptResult](t)(s.OptOut(t.Context(), stop(fmt.Sprintf("+1202555%04d", i), false, acme, plumb), t0.Add(time.Duration(i)*time.Minute)))
		}
		must[OptResult](t)(s.OptIn(t.Context(), stop("+12025550001", false), t0.Add(time.Hour)))
		verify(t, s)
		return s
	}
	for name, spoil := range map[string]func(w *work){
		"time":            func(w *work) { edit(w, 2, func(e *LedgerEntry) { e.At = e.At.Add(time.Second) }) },
		"number":          func(w *work) { edit(w, 2, func(e *LedgerEntry) { e.Number = bob }) },
		"who":             func(w *work) { edit(w, 2, func(e *LedgerEntry) { e.Who = w.s.hash("number", bob); e.Number = bob }) },
		"wording":         func(w *work) { edit(w, 2, func(e *LedgerEntry) { e.Wording = "START" }) },
		"action":          func(w *work) { edit(w, 6, func(e *LedgerEntry) { e.Action = ActionOut }) },
		"businesses":      func(w *work) { edit(w, 3, func(e *LedgerEntry) { e.Businesses = e.Businesses[:1] }) },
		"rehashed entry":  func(w *work) { edit(w, 3, func(e *LedgerEntry) { e.Source = "x"; e.Hash = e.sum() }) },
		"entry removed":   func(w *work) { w.del(tLedger, key(nil).num(3)) },
		"last removed":    func(w *work) { w.del(tLedger, key(nil).num(6)) },
		"index entry out": func(w *work) { w.del(tOut, outKey(w.s.hash("number", "+12025550002"), acme)) },
		"index entry in":  func(w *work) { w.save(tOut, outKey(w.s.hash("number", bob), acme), outRecord{Number: bob, Seq: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := fill(t)
			if err := s.update(t.Context(), t0, func(w *work) error { spoil(w); return nil }); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context()); err == nil {
				t.Error("not noticed")
			}
		})
	}
}

func edit(w *work, seq uint64, fn func(*LedgerEntry)) {
	e, _ := load[LedgerEntry](w, tLedger, key(nil).num(seq))
	fn(&e)
	w.save(tLedger, key(nil).num(seq), e)
}

func TestOptOutsGoRoundThroughCSV(t *testing.T) {
	s := open(t, Options{})
	c := stop(alice, false, acme, plumb)
	c.Wording = "=HYPERLINK(\"http://evil\") stop, \"please\"\nnow"
	must[OptResult](t)(s.OptOut(t.Context(), c, t0))
	must[OptResult](t)(s.OptOut(t.Context(), stop(bob, false), t0))
	var file strings.Builder
	n, erased, err := s.ExportOptOuts(t.Context(), &file)
	if err != nil || n != 3 || erased != 0 {
		t.Fatal(n, erased, err)
	}
	if strings.Contains(file.String(), `,"=HYP`) || !strings.Contains(file.String(), `"'=HYP`) {
		t.Errorf("a formula passes:\n%s", file.String())
	}
	list := must[*OptOutList](t)(ReadOptOuts(strings.NewReader(file.String()), nil, nil))
	rows := rowsOf(list)
	if len(rows) != 3 || rows[0].Wording != c.Wording || !rows[0].At.Equal(t0) {
		t.Errorf("%+v", rows)
	}
	to := open(t, Options{})
	_, text := decide(t, to, "hq/1", alice, t0)
	if r := must[ImportResult](t)(to.ImportOptOuts(t.Context(), list, t0)); r != (ImportResult{Added: 3, Cleared: 1}) || text == nil {
		t.Errorf("%+v", r)
	}
	if r := must[ImportResult](t)(to.ImportOptOuts(t.Context(), list, t0)); r != (ImportResult{Known: 3}) {
		t.Errorf("again: %+v", r)
	}
	for _, b := range []string{acme, plumb} {
		if !must[bool](t)(to.OptedOut(t.Context(), alice, b)) {
			t.Errorf("not out of %s", b)
		}
	}
	verify(t, to)
}

// rowsOf are the rows of a list, by business and number.
func rowsOf(l *OptOutList) []OptedOut {
	all := slices.Clone(l.odd)
	for _, g := range l.sorted() {
		for _, r := range l.groups[g] {
			all = append(all, g.row(r))
		}
	}
	slices.SortStableFunc(all, func(a, b OptedOut) int {
		return cmp.Or(cmp.Compare(a.Business, b.Business), cmp.Compare(a.Number, b.Number))
	})
	return all
}

func TestBadCSVNamesTheLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "heading",
		"phone\n+12025550142\n":               `no column "number"`,
		"number,number\n":                     "twice",
		"number\n12025550142\n":               "line 2",
		"number\n+12025550142\n\n+1 202\n":    "line 4",
		"number,at\n+12025550142,yesterday\n": "line 2",
		"number,at\n+12025550142,0001-01-01T00:00:00Z\n": "cannot be right",
		"number\n\"+12025550142\n":                       "line",
	} {
		if _, err := ReadOptOuts(strings.NewReader(in), nil, []string{acme}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
	list, err := ReadOptOuts(strings.NewReader("\ufeffNumber , other\n+12025550142,x\n"), nil, []string{acme, plumb})
	if err != nil {
		t.Fatal(err)
	}
	if rows := rowsOf(list); len(rows) != 2 || rows[1].Business != plumb {
		t.Errorf("%+v", rows)
	}
}

func TestForgetLeavesNothingButAHashThatSuppresses(t *testing.T) {
	s := open(t, Options{TextChanged: func(t textback.Text) []Delivery {
		return []Delivery{{Target: "crm", Person: t.To, Payload: []byte(t.To)}}
	}})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	answered(t, s, text.ID, 0, PartAccepted, "A", t0)
	raw := missed("hq/raw", alice[1:], t0)
	if _, _, err := s.Decide(t.Context(), raw, Keys{}, t0, func(textback.History) textback.Decision {
		return textback.Decision{Reason: textback.ReasonUnknownLine}
	}); err != nil {
		t.Fatal(err)
	}
	saved := must[Saved](t)(s.SaveIncoming(t.Context(), Incoming{Link: "carrier", From: alice, To: line, Body: "it is Alice"}, time.Minute, t0))
	f := must[ThreadFacts](t)(s.AddReply(t.Context(), NewReply{Reply: saved.Reply, Business: acme, Incoming: saved.ID, Name: "Alice"}, t0))
	must[textback.Text](t)(s.QueueText(t.Context(), NewText{Text: textback.Text{Kind: textback.StaffText, Business: acme, To: "+12025550001", ThreadID: f.Thread.ID, Body: "Alice " + alice}}, t0))
	must[BookingResult](t)(s.RecordBooking(t.Context(), NewBooking{Booking: textback.Booking{ID: "b1", Service: "cal.com", Token: text.Token}, Event: "BOOKING_CREATED"}, t0))
	must[Saved](t)(s.SaveIncoming(t.Context(), Incoming{Link: "carrier", From: alice, To: line, Body: "half", Concat: &Concat{Ref: 1, Total: 2, Seq: 1}}, time.Minute, t0))
	must[Saved](t)(s.SaveIncoming(t.Context(), Incoming{Link: "carrier", From: alice, To: line, Body: "not handled"}, time.Minute, t0))
	must[Applied](t)(s.ApplyReceipt(t.Context(), textback.Receipt{Link: "other", MessageID: "zz", From: alice, To: line, At: t0}))
	must[[]textback.Text](t)(s.Reached(t.Context(), Contact{Caller: alice, Business: acme}, t0))
	out := stop(alice, false, acme, plumb)
	out.Wording = "stop it, says " + alice
	must[OptResult](t)(s.OptOut(t.Context(), out, t0))
	_, bobs := decide(t, s, "hq/2", bob, t0)

	gone := must[Forgotten](t)(s.Forget(t.Context(), alice, t0.Add(time.Hour)))
	if gone.Calls != 2 || gone.Texts != 2 || gone.Threads != 1 || gone.Messages < 2 || gone.Bookings != 1 || gone.Ledger != 1 || !slices.Equal(gone.StillOut, []string{acme, plumb}) {
		t.Errorf("%+v", gone)
	}
	_ = s.view(t.Context(), t0, func(w *work) error {
		for tab := range tables {
			w.scan(tab, nil, func(k, v []byte) bool {
				for _, word := range []string{alice[1:], "Alice", "says"} {
					if strings.Contains(string(k), word) || strings.Contains(string(v), word) {
						t.Errorf("%s still has %q: %q %q", tableNames[tab], word, k, v)
					}
				}
				return true
			})
		}
		return nil
	})
	if h := history(t, s, alice, t0.Add(2*time.Hour)); !h.OptedOut || h.Missed != 0 {
		t.Errorf("%+v", h)
	}
	if got := must[textback.Text](t)(s.Text(t.Context(), bobs.ID)); got.To != bob {
		t.Errorf("another's text: %+v", got)
	}
	if n, erased, err := s.ExportOptOuts(t.Context(), &strings.Builder{}); n != 0 || erased != 2 || err != nil {
		t.Error(n, erased, err)
	}
	verify(t, s)

	must[OptResult](t)(s.OptIn(t.Context(), stop(alice, false, acme, plumb), t0.Add(3*time.Hour)))
	if must[bool](t)(s.OptedOut(t.Context(), alice, acme, plumb)) {
		t.Error("cannot opt in again")
	}
	verify(t, s)
}

func FuzzReadOptOuts(f *testing.F) {
	f.Add("number,business,at,source,line,wording\n+12025550142,acme,2026-11-24T15:30:00Z,sms,+12025550100,'=STOP\n")
	f.Add("number\n+12025550142\n")
	f.Add("\ufeffnumber,wording\n\"+12025550142\",\"a\nb\"\"c\"\n")
	f.Add("number;business\n+1;2\n")
	f.Fuzz(func(t *testing.T, in string) {
		list, err := ReadOptOuts(strings.NewReader(in), nil, []string{acme})
		if err != nil {
			return
		}
		for _, o := range rowsOf(list) {
			if _, err := plainNumber(o.Number); err != nil || o.Business == "" {
				t.Errorf("%+v", o)
			}
			if got := fuse(defuse(o.Wording)); got != o.Wording {
				t.Errorf("wording %q came back as %q", o.Wording, got)
			}
		}
	})
}

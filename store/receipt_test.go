package store

import (
	"fmt"
	"testing"
	"time"

	"textback"
)

func receipt(id string, at time.Time) textback.Receipt {
	return textback.Receipt{Link: "carrier", MessageID: id, From: alice[1:], To: line[1:], State: textback.Delivered, Stat: "DELIVRD", At: at}
}

func TestReceiptFindsItsText(t *testing.T) {
	for name, c := range map[string]struct {
		id   string // in the submit_sm_resp
		rcpt func(*textback.Receipt)
		how  string // "" = must not match
	}{
		"id as it stood":              {"00ab-1", func(r *textback.Receipt) { r.MessageID = "00ab-1" }, "id"},
		"addresses rewritten":         {"00ab-1", func(r *textback.Receipt) { r.MessageID, r.From, r.To = "00ab-1", "999", "888" }, "id"},
		"hex there, decimal here":     {"0000001F", func(r *textback.Receipt) { r.MessageID = "31" }, "id in the other base"},
		"decimal there, hex here":     {"31", func(r *textback.Receipt) { r.MessageID = "1f" }, "id in the other base"},
		"decimal digits, hex meant":   {"10", func(r *textback.Receipt) { r.MessageID = "16" }, "id in the other base"},
		"leading zeros":               {"4711", func(r *textback.Receipt) { r.MessageID = "0000004711" }, "id in the other base"},
		"capitals":                    {"AB12", func(r *textback.Receipt) { r.MessageID = "ab12" }, "id in the other base"},
		"another base, other person":  {"31", func(r *textback.Receipt) { r.MessageID, r.From = "1f", "12025559999" }, ""},
		"reference":                   {"useless", func(r *textback.Receipt) { r.MessageID, r.Reference, r.HasRef = "1", 0x1264, true }, "reference"},
		"reference cut to 8 bits":     {"useless", func(r *textback.Receipt) { r.MessageID, r.Reference, r.HasRef = "1", 0x64, true }, "reference"},
		"another reference":           {"useless", func(r *textback.Receipt) { r.MessageID, r.Reference, r.HasRef, r.From = "1", 0x65, true, "1" }, ""},
		"addresses":                   {"useless", func(r *textback.Receipt) { r.MessageID = "1" }, "addresses"},
		"addresses the other way":     {"useless", func(r *textback.Receipt) { r.MessageID, r.From, r.To = "1", line, alice }, "addresses"},
		"national address":            {"useless", func(r *textback.Receipt) { r.MessageID, r.From = "1", "02025550142" }, "addresses"},
		"another sender":              {"useless", func(r *textback.Receipt) { r.MessageID, r.To = "1", "12025559876" }, ""},
		"another person":              {"useless", func(r *textback.Receipt) { r.MessageID, r.From = "1", "12025550143" }, ""},
		"another link":                {"00ab-1", func(r *textback.Receipt) { r.MessageID, r.Link = "00ab-1", "backup" }, ""},
		"empty id in the response":    {"", func(r *textback.Receipt) { r.MessageID = "00000001" }, "addresses"},
		"no id in the receipt either": {"", func(r *textback.Receipt) { r.MessageID = "" }, "addresses"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			_, text := decide(t, s, "hq/1", alice, t0)
			sent(t, s, text.ID, 1, t0)
			answered(t, s, text.ID, 0, PartAccepted, c.id, t0)
			r := receipt("", t0.Add(time.Second))
			c.rcpt(&r)
			a := must[Applied](t)(s.ApplyReceipt(t.Context(), r))
			if a.Matched != (c.how != "") || a.How != c.how || a.Matched == a.Kept || a.Changed != a.Matched {
				t.Errorf("%+v", a)
			}
			if a.Matched && a.Text.State != textback.Delivered {
				t.Errorf("state %s", a.Text.State)
			}
			again := must[Applied](t)(s.ApplyReceipt(t.Context(), r))
			if again.Matched && again.Changed {
				t.Errorf("a repeat changed something: %+v", again)
			}
			if r.MessageID != "" && a.Matched && !again.Matched {
				t.Errorf("a repeat is not recognised: %+v", again)
			}
			verify(t, s)
		})
	}
}

func TestReceiptThatComesBeforeTheResponseWaitsForIt(t *testing.T) {
	for name, c := range map[string]struct{ resp, early string }{
		"same id":       {"5f3c-77", "5f3c-77"},
		"other base":    {"255", "FF"},
		"useless ids":   {"msg_id_not_implemented", "00000001"},
		"empty id":      {"", "00000001"},
		"leading zeros": {"00000031", "31"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			_, text := decide(t, s, "hq/1", alice, t0)
			sent(t, s, text.ID, 1, t0)
			if a := must[Applied](t)(s.ApplyReceipt(t.Context(), receipt(c.early, t0.Add(time.Second)))); a.Matched || !a.Kept {
				t.Errorf("at once: %+v", a)
			}
			if got := answered(t, s, text.ID, 0, PartAccepted, c.resp, t0.Add(2*time.Second)); got.State != textback.Delivered {
				t.Errorf("after the response: %s", got.State)
			}
			verify(t, s)
		})
	}
}

func TestEarlyReceiptsOfSeveralPartsFindTheirParts(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 3, t0)
	undelivered := receipt("id-1", t0)
	undelivered.State, undelivered.Stat = textback.Undelivered, "UNDELIV"
	for _, r := range []textback.Receipt{receipt("id-2", t0), undelivered, receipt("id-0", t0)} {
		must[Applied](t)(s.ApplyReceipt(t.Context(), r))
	}
	for i := range 3 {
		answered(t, s, text.ID, i, PartAccepted, fmt.Sprint("id-", i), t0)
	}
	got := must[textback.Text](t)(s.Text(t.Context(), text.ID))
	if got.State != textback.Undelivered || got.Parts[0].State != textback.Delivered || got.Parts[1].State != textback.Undelivered || got.Parts[2].State != textback.Delivered {
		t.Errorf("%+v", got)
	}
	if h := history(t, s, alice, t0.Add(time.Minute)); h.Undeliverable != 1 {
		t.Errorf("%+v", h)
	}
}

func TestCrashBetweenReceiptAndResponseStillSettlesTheText(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	must[Applied](t)(s.ApplyReceipt(t.Context(), receipt("abc-9", t0.Add(time.Second))))
	_ = s.Close()
	s = open(t, Options{Path: s.opts.Path})
	if unknown := must[[]textback.Text](t)(s.Recover(t.Context(), t0.Add(time.Minute))); len(unknown) != 0 {
		t.Errorf("in doubt: %+v", unknown)
	}
	if got := must[textback.Text](t)(s.Text(t.Context(), text.ID)); got.State != textback.Delivered {
		t.Errorf("state %s", got.State)
	}
	verify(t, s)
}

func TestReceiptOfAnEarlierTextIsNotTakenForTheNewestOne(t *testing.T) {
	s := open(t, Options{})
	_, first := decide(t, s, "hq/1", alice, t0)
	sent(t, s, first.ID, 1, t0)
	answered(t, s, first.ID, 0, PartAccepted, "one", t0)
	at := t0.Add(25 * time.Hour)
	_, second := decide(t, s, "hq/2", alice, at)
	sent(t, s, second.ID, 1, at)
	answered(t, s, second.ID, 0, PartAccepted, "two", at)
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), receipt("one", at))); a.Text.ID != first.ID {
		t.Errorf("%+v", a)
	}
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), receipt("one", at))); a.Text.ID != first.ID || a.Changed {
		t.Errorf("repeat: %+v", a)
	}
}

func TestOneIDForAllMessagesIsToldApartByAddressAndReference(t *testing.T) {
	s := open(t, Options{})
	const id = "msg_id_not_implemented"
	_, toAlice := decide(t, s, "hq/1", alice, t0)
	_, toBob := decide(t, s, "hq/2", bob, t0)
	sent(t, s, toAlice.ID, 2, t0)
	sent(t, s, toBob.ID, 2, t0)
	for _, x := range []uint64{toAlice.ID, toBob.ID} {
		answered(t, s, x, 0, PartAccepted, id, t0)
		answered(t, s, x, 1, PartAccepted, id, t0)
	}
	r := receipt(id, t0)
	r.HasRef, r.Reference = true, 0x65
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), r)); a.Text.ID != toAlice.ID || a.Part != 1 {
		t.Errorf("%+v", a)
	}
	r.HasRef = false
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), r)); a.Text.ID != toAlice.ID || a.Part != 0 || a.Text.State != textback.Delivered {
		t.Errorf("%+v", a)
	}
	r.From = bob
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), r)); a.Text.ID != toBob.ID || a.Part != 0 {
		t.Errorf("%+v", a)
	}
}

func TestKeptReceiptsAreBounded(t *testing.T) {
	s := open(t, Options{})
	err := s.update(t.Context(), t0, func(w *work) error {
		for i := range earlyMost + 50 {
			w.keepEarly(receipt(fmt.Sprint("x-", i), t0))
		}
		n := 0
		for _, tab := range []table{tEarly, tEarlyTime, tEarlyIDs} {
			n = 0
			w.scan(tab, nil, func(_, _ []byte) bool { n++; return true })
			if n > earlyMost+1 {
				t.Errorf("%d in %s", n, tableNames[tab])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeptReceiptIsNotTakenForATextThatCameLater(t *testing.T) {
	s := open(t, Options{})
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), receipt("long-gone", t0))); !a.Kept {
		t.Errorf("%+v", a)
	}
	at := t0.Add(time.Hour)
	_, text := decide(t, s, "hq/1", alice, at)
	sent(t, s, text.ID, 1, at)
	if got := answered(t, s, text.ID, 0, PartAccepted, "new", at); got.State != textback.Accepted {
		t.Errorf("state %s", got.State)
	}
}

func TestOnlyBadNumbersCountAsUndeliverable(t *testing.T) {
	for stat, want := range map[string]int{"UNDELIV": 1, "REJECTD": 1, "EXPIRED": 0, "DELETED": 0} {
		s := open(t, Options{})
		_, text := decide(t, s, "hq/1", alice, t0)
		sent(t, s, text.ID, 1, t0)
		answered(t, s, text.ID, 0, PartAccepted, "A", t0)
		r := receipt("A", t0)
		r.State, r.Stat, r.Error = textback.Undelivered, stat, "008"
		a := must[Applied](t)(s.ApplyReceipt(t.Context(), r))
		if a.Text.State != textback.Undelivered || a.Text.Parts[0].Error != stat+" 008" {
			t.Errorf("%s: %+v", stat, a.Text)
		}
		if h := history(t, s, alice, t0.Add(time.Minute)); h.Undeliverable != want {
			t.Errorf("%s: %+v", stat, h)
		}
	}
}

func TestFailoverKeepsReceiptsOfBothLinksApart(t *testing.T) {
	s := open(t, Options{})
	_, text := decide(t, s, "hq/1", alice, t0)
	sent(t, s, text.ID, 1, t0)
	answered(t, s, text.ID, 0, PartNotWritten, "", t0)
	must[textback.Text](t)(s.Defer(t.Context(), Deferral{ID: text.ID, Until: t0}, t0))
	must[textback.Text](t)(s.Attempt(t.Context(), Attempt{ID: text.ID, Body: "x", Link: "backup", References: []uint16{9}}, t0))
	answered(t, s, text.ID, 0, PartAccepted, "A", t0)
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), receipt("A", t0))); a.Matched {
		t.Errorf("the first link never carried it: %+v", a)
	}
	r := receipt("A", t0)
	r.Link = "backup"
	if a := must[Applied](t)(s.ApplyReceipt(t.Context(), r)); !a.Matched || a.Text.State != textback.Delivered {
		t.Errorf("%+v", a)
	}
	verify(t, s)
}

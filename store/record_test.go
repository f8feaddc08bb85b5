package store

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"textback"
)

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	zone := time.FixedZone("", -5*3600)
	for _, v := range []any{
		&textback.Verdict{},
		&textback.Verdict{Call: textback.Call{ID: "hq/\"1\"\n", Direction: textback.Inbound, Party: textback.Party{Number: "\u202e+1", Name: "O'Hara <b>&\u2028", Verification: textback.VerificationFailed},
			Dialled: []string{"", "x"}, Begin: time.Date(2026, 1, 2, 3, 4, 5, 678901234, zone), Ring: 21 * time.Second, Outcome: textback.QueueTimeout,
			EndedBy: textback.EndedByPBX, Cause: textback.Cause{Q850: 16, Word: "Normal"}, Unseen: true, Evidence: []textback.Evidence{{What: "a"}, {At: t0}}},
			Decision: textback.Decision{Reason: textback.ReasonUnansweredTexts, Held: true}, At: t0, TextID: 1<<64 - 1, Was: textback.ReasonText},
		&textRecord{T: textback.Text{ID: 1, Kind: textback.BookingText, State: textback.Unknown, Ref: 255, Parts: []textback.Part{{}, {State: textback.Failed, Status: 1 << 31, Reference: 65535}}}, Aliases: []alias{{"l", "x", 2}}},
		&threadRecord{T: textback.Thread{Booking: &textback.Booking{ID: "b", Start: t0}, Automatic: -1}},
		&partSet{Pieces: []piece{{Raw: []byte{0, 255, 10}, Coding: 8}}},
		&Delivery{Payload: []byte(`{"a":1}`), ID: 3},
	} {
		b, err := encode(nil, v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		got := reflect.New(reflect.TypeOf(v).Elem())
		if err := decode(b, got.Interface()); err != nil {
			t.Errorf("%s: %v", b, err)
			continue
		}
		again, err := encode(nil, got.Interface())
		if err != nil || !bytes.Equal(b, again) {
			t.Errorf("%T:\n%s\n%s\n%v", v, b, again, err)
		}
		if r, ok := v.(*textback.Verdict); ok && !r.At.IsZero() && !reflect.DeepEqual(normal(*r), normal(*got.Interface().(*textback.Verdict))) {
			t.Errorf("%+v\n%+v", v, got.Interface())
		}
	}
}

// normal takes out what a record does not keep: a time's zone by name.
func normal(v textback.Verdict) textback.Verdict {
	v.Call.Begin, v.At = v.Call.Begin.UTC(), v.At.UTC()
	for i := range v.Call.Evidence {
		v.Call.Evidence[i].At = v.Call.Evidence[i].At.UTC()
	}
	return v
}

func TestUnknownRecordVersionIsRefused(t *testing.T) {
	var v textback.Verdict
	for _, b := range [][]byte{{}, {2, '{', '}'}, {recordVersion}, {recordVersion, '['}} {
		if err := decode(b, &v); err == nil {
			t.Errorf("%q: no error", b)
		}
	}
}

func TestKeysSortAsTheirFields(t *testing.T) {
	long := make([]byte, 100_000)
	sorted := []key{
		key(nil).str(""), key(nil).str("").str("b"), key(nil).str("\x00"), key(nil).str("a"), key(nil).str("a").str("b"), key(nil).str("a\x00"), key(nil).str("aa"), key(nil).str("b"),
	}
	for i := 1; i < len(sorted); i++ {
		if bytes.Compare(sorted[i-1], sorted[i]) >= 0 {
			t.Errorf("%q is not before %q", sorted[i-1], sorted[i])
		}
	}
	if k := key(nil).str(string(long)); len(k) > 1000 {
		t.Errorf("a key of %d bytes", len(k))
	}
	times := []time.Time{{}, time.Unix(-1, 0), time.Unix(0, 0), t0, t0.Add(1), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	for i := 1; i < len(times); i++ {
		if stamp(times[i-1]) >= stamp(times[i]) {
			t.Errorf("%v is not before %v", times[i-1], times[i])
		}
	}
	if got := moment(stamp(t0)); !got.Equal(t0) {
		t.Errorf("%v came back as %v", t0, got)
	}
}

func FuzzKeyField(f *testing.F) {
	f.Add("a", "b")
	f.Add("\x00", "\x00\xff\x00\x01")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > longKey || len(b) > longKey {
			t.Skip()
		}
		x, rest := field(key(nil).str(a).str(b))
		if y, _ := field(rest); x != a || y != b {
			t.Errorf("%q %q came back as %q %q", a, b, x, y)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	for _, v := range []any{textback.Verdict{Call: missed("hq/1", alice, t0), At: t0}, textRecord{T: textback.Text{ID: 1, State: textback.Queued,
		Parts: []textback.Part{{State: textback.Queued}}}}, LedgerEntry{Seq: 1, Businesses: []string{acme}}} {
		b, err := encode(nil, v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(textback.Verdict), new(textRecord), new(threadRecord), new(LedgerEntry), new(claim), new(partSet), new(early)} {
			if decode(b, v) != nil {
				continue
			}
			again, err := encode(nil, v)
			if err != nil {
				continue // a state that is no word, or a year that no record has
			}
			if err := decode(again, v); err != nil {
				t.Errorf("%T: %q became %q: %v", v, b, again, err)
			}
		}
	})
}

// FuzzPreflight: whatever the file, it is refused or read, and nothing crashes.
func FuzzPreflight(f *testing.F) {
	f.Add([]byte("not a database"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := pages{f: bytes.NewReader(b), size: int64(len(b))}
		if p.meta() != nil {
			// As if a meta page said so: the tree is what is walked.
			if len(b) < 1024 {
				return
			}
			p.pageSize, p.high, p.root = 512, uint64(len(b)/512), 2
		}
		p.seen = make([]bool, p.high)
		_ = p.tree(p.root, 0)
	})
}

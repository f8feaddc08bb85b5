package store

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"textback"
)

// Applied is what a receipt did.
type Applied struct {
	Matched bool // it belongs to a text of ours
	Text    textback.Text
	Part    int    // from 0
	How     string // "id", "id in the other base", "reference", "addresses"
	Changed bool   // the part's state changed: false for duplicates
	Kept    bool   // not matched, and kept for a response that may bring its id
}

// candidatesMost bounds how many texts one receipt is held against.
const candidatesMost = 256

// aliasesMost bounds the ids by which a text is known.
const aliasesMost = 64

// earlyMost bounds how many receipts wait for a response that may bring their id.
const earlyMost = 10_000

func idKey(link, form string, id uint64, part int) key {
	return key(nil).str(link).str(form).num(id).byt(byte(part))
}

func refKey(link string, low byte, id uint64, part int) key {
	return key(nil).str(link).byt(low).num(id).byt(byte(part))
}

// forms are the ways in which a message id is indexed: as it stood, and as a number in both bases without leading
// zeros.
func forms(id string) []string {
	if id == "" {
		return nil
	}
	all := []string{"s" + id}
	if dec, hex := bases(id); hex != "" {
		if dec != "" {
			all = append(all, "d"+dec)
		}
		all = append(all, "h"+hex)
	}
	return all
}

// otherForms are the ways in which the same id may have been written in the other place: with other leading zeros
// or case, or in the other base.
func otherForms(id string) []string {
	dec, hex := bases(id)
	var all []string
	if hex == "" {
		return nil
	}
	if dec != "" {
		all = append(all, "d"+dec)
	}
	all = append(all, "h"+hex)
	if n, ok := new(big.Int).SetString(hex, 16); ok {
		all = append(all, "d"+n.String())
	}
	if n, ok := new(big.Int).SetString(dec, 10); ok {
		all = append(all, "h"+n.Text(16))
	}
	return all
}

// bases gives an id's digits without leading zeros where it can be read as a decimal and a hexadecimal number.
func bases(id string) (dec, hex string) {
	if len(id) > 40 {
		return "", ""
	}
	isDec := true
	for i := range len(id) {
		switch c := id[i] | 0x20; {
		case id[i] >= '0' && id[i] <= '9':
		case c >= 'a' && c <= 'f':
			isDec = false
		default:
			return "", ""
		}
	}
	hex = strings.TrimLeft(strings.ToLower(id), "0")
	if hex == "" {
		hex = "0"
	}
	if isDec {
		dec = hex
	}
	return dec, hex
}

func (w *work) indexID(link, messageID string, id uint64, part int) {
	for _, f := range forms(messageID) {
		w.put(tIDs, idKey(link, f, id, part), nil)
	}
}

// ApplyReceipt moves the text that a receipt belongs to: by id as it stood, by its other base, by reference, by
// addresses. One that matches nothing is kept for a day, for a response that may bring its id.
func (s *Store) ApplyReceipt(ctx context.Context, rc textback.Receipt) (a Applied, err error) {
	err = s.update(ctx, rc.At, func(w *work) error {
		a = Applied{}
		m, ok := w.match(rc)
		if !ok {
			a.Kept = true
			w.keepEarly(rc)
			return nil
		}
		a = w.applyTo(m, rc)
		return nil
	})
	if err != nil {
		return Applied{}, fmt.Errorf("apply a receipt: %w", err)
	}
	return a, nil
}

// matched is the part that a receipt belongs to.
type matched struct {
	r    *textRecord
	part int
	how  string
}

// match finds the part of a text that a receipt reports on.
func (w *work) match(rc textback.Receipt) (matched, bool) {
	if rc.MessageID != "" {
		if m, ok := w.matchID(rc, "s"+rc.MessageID, "id", false); ok {
			return m, true
		}
		for _, f := range otherForms(rc.MessageID) {
			if m, ok := w.matchID(rc, f, "id in the other base", true); ok {
				return m, true
			}
		}
	}
	if rc.HasRef && rc.Reference != 0 {
		if m, ok := w.matchRef(rc); ok {
			return m, true
		}
	}
	return w.matchAddresses(rc)
}

// matchID takes, of the texts with this id on the link, the newest to the receipt's addresses, one that still waits
// first (some message centres give every message the same id). strict wants the addresses to fit in any case: ids
// in another base meet by chance.
func (w *work) matchID(rc textback.Receipt, form, how string, strict bool) (matched, bool) {
	var all []matched
	w.back(tIDs, key(nil).str(rc.Link).str(form), func(k, _ []byte) bool {
		if r, ok := w.text(number(k[len(k)-9 : len(k)-1])); ok && int(k[len(k)-1]) < len(r.T.Parts) {
			all = append(all, matched{r, int(k[len(k)-1]), how})
		}
		return len(all) < candidatesMost
	})
	var best matched
	for _, m := range all {
		if !addressed(rc, m.r.T) {
			continue
		}
		// Parts come last first: of those that wait the first is wanted, unless a reference tells.
		switch {
		case best.r == nil, m.open() && !best.open():
			best = m
		case m.open() && best.open() && m.r.T.ID == best.r.T.ID && !best.refers(rc):
			best = m
		}
	}
	if best.r != nil {
		return best, true
	}
	if !strict && len(all) == 1 {
		return all[0], true // addresses may be rewritten on the way; an id given once is proof enough
	}
	return matched{}, false
}

func (m matched) open() bool {
	switch m.r.T.Parts[m.part].State {
	case textback.Delivered, textback.Undelivered, textback.Failed:
		return false
	default:
		return true
	}
}

func (m matched) refers(rc textback.Receipt) bool {
	ref := m.r.T.Parts[m.part].Reference
	return rc.HasRef && ref != 0 && (ref == rc.Reference || rc.Reference <= 0xff && byte(ref) == byte(rc.Reference))
}

// matchRef matches by user_message_reference: in full, else by the eight bits that some message centres give back.
func (w *work) matchRef(rc textback.Receipt) (matched, bool) {
	var full, cut []matched
	n := 0
	w.back(tRefs, key(nil).str(rc.Link).byt(byte(rc.Reference)), func(k, v []byte) bool {
		n++
		r, ok := w.text(number(k[len(k)-9 : len(k)-1]))
		part := int(k[len(k)-1])
		if !ok || part >= len(r.T.Parts) || len(v) != 2 || rc.From+rc.To != "" && !addressed(rc, r.T) {
			return n < candidatesMost
		}
		switch ref := uint16(v[0])<<8 | uint16(v[1]); {
		case ref == rc.Reference:
			full = append(full, matched{r, part, "reference"})
		case rc.Reference <= 0xff:
			cut = append(cut, matched{r, part, "reference"})
		}
		return n < candidatesMost
	})
	for _, list := range [][]matched{full, cut} {
		for _, m := range list {
			if m.open() {
				return m, true
			}
		}
	}
	if len(full) > 0 {
		return full[0], true // a repeat
	}
	return matched{}, false
}

// matchAddresses takes the newest text between the two addresses of which a part waits for its receipt. While a
// part of it is on the wire its id is still to come: then the receipt waits for it.
func (w *work) matchAddresses(rc textback.Receipt) (m matched, ok bool) {
	var ids []uint64
	for _, a := range ends(rc) {
		n := 0
		w.back(tTextsTo, key(nil).str(a), func(k, _ []byte) bool {
			ids = append(ids, tail(k))
			n++
			return n < candidatesMost
		})
	}
	var newest *textRecord
	for _, id := range ids {
		r, found := w.text(id)
		if !found || r.T.Link != rc.Link || !addressed(rc, r.T) || newest != nil && newest.T.ID > id {
			continue
		}
		for i, p := range r.T.Parts {
			switch p.State {
			case textback.Submitting:
				newest, m, ok = r, matched{}, false
			case textback.Accepted, textback.Unknown:
				if newest != r {
					newest, m, ok = r, matched{r, i, "addresses"}, true
				}
			default:
				continue
			}
			if p.State == textback.Submitting {
				break
			}
		}
	}
	return m, ok
}

// ends are the address ends of a receipt under which texts and receipts are indexed.
func ends(rc textback.Receipt) []string {
	var all []string
	for _, a := range []string{rc.From, rc.To} {
		if d := lastDigits(a); d != "" && (len(all) == 0 || all[0] != d) {
			all = append(all, d)
		}
	}
	return all
}

// addressed tells whether a receipt's addresses are those of a text, in either direction.
func addressed(rc textback.Receipt, t textback.Text) bool {
	between := func(person, sender string) bool {
		if !sameAddress(person, t.To) {
			return false
		}
		d, f := digits(sender), digits(t.From)
		return len(d) < 5 || len(f) < 5 || sameAddress(sender, t.From) // names and short codes are rewritten on the way
	}
	return between(rc.From, rc.To) || between(rc.To, rc.From)
}

// applyTo moves the part. The first final state stands: repeats, and a second opinion, change nothing.
func (w *work) applyTo(m matched, rc textback.Receipt) Applied {
	r, p := m.r, &m.r.T.Parts[m.part]
	a := alias{rc.Link, rc.MessageID, m.part}
	if m.how != "id" && a.ID != "" && len(r.Aliases) < aliasesMost && !slices.Contains(r.Aliases, a) {
		r.Aliases = append(r.Aliases, a) // what follows with this id is for this part
		w.indexID(a.Link, a.ID, r.T.ID, a.Part)
		w.saveText(r)
	}
	open := m.open()
	was := p.State
	switch {
	case !open:
	case rc.State == textback.Delivered, rc.State == textback.Undelivered:
		p.State = rc.State
	case rc.State == textback.Accepted && was != textback.Accepted:
		p.State = textback.Accepted
	}
	changed := p.State != was
	if changed {
		p.At = rc.At
		p.Error = ""
		if p.State == textback.Undelivered {
			p.Error = strings.TrimSpace(rc.Stat + " " + rc.Error)
			if r.T.Note == "" {
				r.T.Note = p.Error
			}
			// EXPIRED and DELETED say that the phone was off or the message withdrawn, not that the number is bad.
			if rc.Stat != "EXPIRED" && rc.Stat != "DELETED" {
				w.numberFailed(r.T)
			}
		}
		r.settle()
		w.saveText(r)
	}
	return Applied{Matched: true, Text: r.T, Part: m.part, How: m.how, Changed: changed}
}

// early is a receipt that matched nothing.
type early struct{ R textback.Receipt }

// keepEarly keeps a receipt for a response to come.
func (w *work) keepEarly(rc textback.Receipt) {
	id := w.next("early")
	w.save(tEarly, key(nil).num(id), early{rc})
	w.put(tEarlyTime, key(nil).time(rc.At).num(id), nil)
	for _, f := range forms(rc.MessageID) {
		w.put(tEarlyIDs, key(nil).str(rc.Link).str(f).num(id), nil)
	}
	for _, a := range ends(rc) {
		w.put(tEarlyTo, key(nil).str(a).num(id), nil)
	}
	for _, k := range w.keys(tEarly, nil, nil, 1) {
		if number(k)+earlyMost < id {
			w.dropEarly(number(k))
		}
	}
}

func (w *work) dropEarly(id uint64) {
	e, ok := load[early](w, tEarly, key(nil).num(id))
	if !ok {
		return
	}
	w.del(tEarly, key(nil).num(id))
	w.del(tEarlyTime, key(nil).time(e.R.At).num(id))
	for _, f := range forms(e.R.MessageID) {
		w.del(tEarlyIDs, key(nil).str(e.R.Link).str(f).num(id))
	}
	for _, a := range ends(e.R) {
		w.del(tEarlyTo, key(nil).str(a).num(id))
	}
}

// retryEarly holds the waiting receipts that may be a text's against what is known of it now.
func (w *work) retryEarly(r *textRecord, messageID string) {
	seen := map[uint64]bool{}
	var ids []uint64
	add := func(t table, prefix key) {
		n := 0
		w.scan(t, prefix, func(k, _ []byte) bool {
			if id := tail(k); !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
			n++
			return n < candidatesMost
		})
	}
	if messageID != "" {
		for _, f := range append(forms(messageID), otherForms(messageID)...) {
			add(tEarlyIDs, key(nil).str(r.T.Link).str(f))
		}
	}
	add(tEarlyTo, key(nil).str(lastDigits(r.T.To)))
	for _, id := range ids {
		e, ok := load[early](w, tEarly, key(nil).num(id))
		if !ok || e.R.Link != r.T.Link || e.R.At.Before(r.T.Created) {
			continue
		}
		if m, ok := w.match(e.R); ok {
			w.applyTo(m, e.R)
			w.dropEarly(id)
		}
	}
	if len(ids) > 0 {
		if now, ok := w.text(r.T.ID); ok {
			*r = *now
		}
	}
}

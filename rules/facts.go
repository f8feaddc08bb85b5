package rules

import (
	"strings"
	"sync"
	"time"

	"textback"
)

// Facts are everything that a decision about one missed call is made from.
type Facts struct {
	Call      textback.Call
	Line      *Line           // nil: the dialled number is not one of ours
	Caller    textback.Number // the caller's number as read
	CallerErr error           // why it could not be read; wraps [textback.ErrNoNumber]
	History   textback.History
	// TalkingNow: the caller is connected with us on another call at this moment.
	TalkingNow bool
	// Now is the moment of the decision by our own clock.
	Now time.Time
	// Ended is when the call ended by our own clock, if that is not Now: when the tracker gave the call out and the store
	// was not ready for it. Zero: Now, or the call's own end if it was found again in the PBX's records.
	Ended time.Time
}

// Facts starts the facts of a call: the line that was dialled, and the caller's number read as that line's policy asks.
// region and rewrites are the PBX's; with region "" the business's region tells how numbers without + are read. The
// caller fills in History, TalkingNow and Now.
func (s *Set) Facts(call textback.Call, region string, rewrites []textback.Rewrite) Facts {
	f := Facts{Call: call, Line: s.FindLine(call.Dialled, region, rewrites)}
	validate := false
	if f.Line != nil {
		validate = f.Line.Policy.ValidateNumbers
		if region == "" && f.Line.Business != nil {
			region = f.Line.Business.Region
		}
	}
	f.Caller, f.CallerErr = textback.ParseNumber(call.Party.Number, region, rewrites, validate)
	return f
}

// CallerKey is the caller as the store knows her: E.164; "" if her number is withheld or cannot be used.
func (f *Facts) CallerKey() string {
	if f.Call.Party.Withheld || f.CallerErr != nil {
		return ""
	}
	return f.Caller.E164
}

// ended is when the call ended by our own clock; never after Now.
func (f *Facts) ended() time.Time {
	at := f.Ended
	if at.IsZero() && f.Call.Reconciled {
		at = f.Call.End
	}
	if at.IsZero() || at.After(f.Now) {
		return f.Now
	}
	return at
}

// zones are the time zones in which the caller may be, and in words where they are known from.
func (f *Facts) zones() (zones []*time.Location, from string) {
	switch {
	case len(f.Caller.Zones) > 0:
		return f.Caller.Zones, "from the number"
	case f.Caller.CountryWide:
		return []*time.Location{f.Line.zone()}, "the business's, the number is good for a whole country"
	default:
		return []*time.Location{f.Line.zone()}, "the business's, the number tells no place"
	}
}

func (l *Line) zone() *time.Location {
	if l.Business == nil || l.Business.Zone == nil {
		return time.UTC
	}
	return l.Business.Zone
}

func (l *Line) business() string {
	if l.Business == nil {
		return ""
	}
	return l.Business.Key
}

// lineIndex finds lines by every form of their numbers.
type lineIndex struct {
	once    sync.Once
	exact   map[string]*Line // number and aliases, as configured and as their region reads them
	digits  map[string]*Line // the same without +
	regions []string         // of the businesses that have lines
}

func (s *Set) lines() *lineIndex {
	x := &s.index
	x.once.Do(func() {
		x.exact, x.digits = make(map[string]*Line), make(map[string]*Line)
		seen := make(map[string]bool)
		for _, l := range s.Lines {
			region := ""
			if l.Business != nil {
				region = l.Business.Region
			}
			if !seen[region] {
				seen[region] = true
				x.regions = append(x.regions, region)
			}
			x.add(l, l.Number, region)
		}
		// A line's own number goes before any alias of another.
		for _, l := range s.Lines {
			for _, alias := range l.Aliases {
				region := ""
				if l.Business != nil {
					region = l.Business.Region
				}
				x.add(l, alias, region)
			}
		}
	})
	return x
}

func (x *lineIndex) add(l *Line, form, region string) {
	forms := []string{form}
	if n, err := textback.ParseNumber(form, region, nil, false); err == nil {
		forms = append(forms, n.E164)
	}
	for _, f := range forms {
		if f == "" {
			continue
		}
		if x.exact[f] == nil {
			x.exact[f] = l
		}
		if d := strings.TrimPrefix(f, "+"); x.digits[d] == nil {
			x.digits[d] = l
		}
	}
}

// FindLine finds the line that was dialled: the first of the forms, in order, that names a line by its number or one of
// its aliases. A form is compared as it stands, then as the region reads it, then without its +. region and rewrites are
// the PBX's; with region "" each business's own region is tried. It is nil if no form names a line.
func (s *Set) FindLine(dialled []string, region string, rewrites []textback.Rewrite) *Line {
	x := s.lines()
	regions := []string{region}
	if region == "" {
		regions = x.regions
	}
	for _, form := range dialled {
		if l := x.exact[strings.TrimSpace(form)]; l != nil {
			return l
		}
		for _, r := range regions {
			n, err := textback.ParseNumber(form, r, rewrites, false)
			if err != nil {
				continue
			}
			if l := x.exact[n.E164]; l != nil {
				return l
			}
			if l := x.digits[strings.TrimPrefix(n.E164, "+")]; l != nil {
				return l
			}
		}
	}
	return nil
}

// OwnLine is the line that has a number (E.164), nil if none has: a caller with such a number is a loop.
func (s *Set) OwnLine(e164 string) *Line {
	if e164 == "" {
		return nil
	}
	return s.lines().exact[e164]
}

// LineByNumber is the line with this configured number, nil if there is none.
func (s *Set) LineByNumber(number string) *Line {
	for _, l := range s.Lines {
		if l.Number == number {
			return l
		}
	}
	return nil
}

// LineBySender is the first line whose texts come from an address: the one that a reply to it belongs to.
func (s *Set) LineBySender(from string) *Line {
	from = strings.TrimPrefix(from, "+")
	for _, l := range s.Lines {
		if strings.TrimPrefix(l.From, "+") == from {
			return l
		}
	}
	return nil
}

// SharedWith lists the other businesses that text from a sender that this business uses too: an opt-out of one of them
// holds for all.
func (s *Set) SharedWith(business string) []string {
	senders := make(map[string]bool)
	for _, l := range s.Lines {
		if l.business() == business {
			senders[l.From] = true
		}
	}
	var others []string
	seen := map[string]bool{business: true}
	for _, l := range s.Lines {
		if b := l.business(); senders[l.From] && !seen[b] {
			seen[b] = true
			others = append(others, b)
		}
	}
	return others
}

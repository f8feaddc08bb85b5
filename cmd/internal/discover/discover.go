// Package discover asks a PBX and a message centre, for a person who sets textback up or looks for a fault: can it be
// reached, with this account, what is missing, and in which contexts and for which numbers do calls from outside arrive.
// It reads only: nothing is changed at the PBX. What stands in a [Found] comes from strangers and is made fit for a
// terminal here.
package discover

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"textback"
	"textback/configs"
)

// Kinds of installation: two engines, each with and without a web interface that owns its configuration files.
const (
	FreePBX    = "freepbx"
	Asterisk   = "asterisk"
	FusionPBX  = "fusionpbx"
	FreeSWITCH = "freeswitch"
)

// Kinds are all kinds of installation.
func Kinds() []string { return []string{FreePBX, Asterisk, FusionPBX, FreeSWITCH} }

// Engine is the kind as the configuration has it.
func Engine(kind string) string {
	switch kind {
	case FusionPBX, FreeSWITCH:
		return configs.FreeSWITCH
	default:
		return configs.Asterisk
	}
}

// Problem is why something cannot be reached or used, with the sentence that mends it. It holds no secret.
type Problem struct {
	What    string // "connect", "tls", "login", "acl", "off", "events", "channels", "protocol"
	Message string
	Hint    string
	err     error
}

// Error is the message alone.
func (p *Problem) Error() string { return p.Message }

// Unwrap is what the network, or the adapter, said.
func (p *Problem) Unwrap() error { return p.err }

// Found is what a PBX told.
type Found struct {
	Product  string    `json:"product"` // e.g. "Asterisk 22.10.1"
	Started  time.Time `json:"started,omitzero"`
	Live     int       `json:"channels"` // live channels
	ReadOnly bool      `json:"read_only"`
	Blind    string    `json:"blind,omitempty"` // why the live channels are not told
	Contexts []Context `json:"contexts"`
	Lines    []Line    `json:"lines"`
	Notes    []string  `json:"notes,omitempty"` // what could not be found out, in words
}

// Context is a dialplan context in which calls arrive.
type Context struct {
	Name      string   `json:"name"`
	Endpoints []string `json:"endpoints,omitempty"` // trunks, phones, profiles
	Calls     int      `json:"calls,omitempty"`     // seen in it
	Outside   bool     `json:"outside"`             // calls from outside arrive in it, as far as can be told
	Why       string   `json:"why"`
}

// Line is a number that was dialled from outside, as the PBX shows it.
type Line struct {
	Shown   string `json:"shown"`
	Context string `json:"context,omitempty"`
	Calls   int    `json:"calls,omitempty"`
	Why     string `json:"why"`
}

// Call is one call that arrived, live or in the records.
type Call struct {
	Context, Dialled, Caller, Endpoint string
	Phone                              bool // of a phone that logged in
	Found                              bool // it was there already
}

// Ask connects with the account of a [[pbx]], checks what textback needs, and reads what the PBX tells. The error is a
// *[Problem].
func Ask(ctx context.Context, kind string, pbx *configs.PBX) (*Found, error) {
	if Engine(kind) == configs.FreeSWITCH {
		return askFreeSWITCH(ctx, kind, pbx)
	}
	return askAsterisk(ctx, kind, pbx)
}

// Watch calls seen for every call that arrives until ctx is done. up is called once, when the link stands.
func Watch(ctx context.Context, pbx *configs.PBX, up func(), seen func(Call)) error {
	if pbx.Kind == configs.FreeSWITCH {
		return watchFreeSWITCH(ctx, pbx, up, seen)
	}
	return watchAsterisk(ctx, pbx, up, seen)
}

// Add counts a call in the contexts and lines. It tells whether the call came from outside, as far as can be told.
func (f *Found) Add(kind string, c Call, why string) bool {
	if c.Context == "" {
		return false
	}
	c.Context, c.Dialled = Clean(c.Context), Clean(c.Dialled)
	x := f.context(c.Context)
	x.Calls++
	if !x.Outside && !c.Phone && x.Why != phones && !strings.Contains(strings.ToLower(c.Context), "internal") {
		x.Outside = conventional(kind, c.Context) || isNumber(c.Dialled) && isNumber(c.Caller)
		x.Why = cmp.Or(x.Why, why)
	}
	if !x.Outside || c.Phone || !isNumber(c.Dialled) {
		return x.Outside && !c.Phone
	}
	f.line(c.Dialled, c.Context, why).Calls++
	return true
}

func (f *Found) context(name string) *Context {
	for i := range f.Contexts {
		if f.Contexts[i].Name == name {
			return &f.Contexts[i]
		}
	}
	f.Contexts = append(f.Contexts, Context{Name: name})
	return &f.Contexts[len(f.Contexts)-1]
}

func (f *Found) line(shown, contextName, why string) *Line {
	for i := range f.Lines {
		if f.Lines[i].Shown == shown {
			return &f.Lines[i]
		}
	}
	f.Lines = append(f.Lines, Line{Shown: shown, Context: contextName, Why: why})
	return &f.Lines[len(f.Lines)-1]
}

// Conventions are the contexts in which calls from outside arrive by each kind's own habit.
func Conventions(kind string) []string {
	if Engine(kind) == configs.FreeSWITCH {
		return []string{"public"}
	}
	return []string{"from-trunk*", "from-pstn*", "from-external", "from-did-direct"}
}

// phones is why calls from outside do not arrive in a context, whatever numbers are dialled there.
const phones = "phones"

func conventional(kind, name string) bool {
	if textback.MatchAny(Conventions(kind), name) {
		return true
	}
	low := strings.ToLower(name)
	return slices.ContainsFunc([]string{"trunk", "pstn", "inbound", "incoming", "from-outside", "carrier", "provider",
		"ingress"},
		func(word string) bool { return strings.Contains(low, word) }) && !strings.Contains(low, "internal") &&
		!strings.Contains(low, "outbound")
}

// Inbound are the patterns for the key inbound: what was found, and where a web interface makes the dialplan, or nothing
// was found, the habit of the kind as well.
func (f *Found) Inbound(kind string) []string {
	all := Conventions(kind)
	if kind != FreePBX && kind != FusionPBX && slices.ContainsFunc(f.Contexts,
		func(c Context) bool { return c.Outside }) {
		all = nil // a dialplan of one's own has names of its own
	}
	for _, c := range f.Contexts {
		if c.Outside && !textback.MatchAny(all, c.Name) && !strings.ContainsAny(c.Name, "*?[]\\\"',") {
			all = append(all, c.Name)
		}
	}
	return all
}

// Numbers are the lines found as E.164 of a region, the most called first; Shown of those that cannot be read are in odd.
func (f *Found) Numbers(region string) (numbers, odd []string) {
	lines := slices.Clone(f.Lines)
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(b.Calls, a.Calls) })
	for _, l := range lines {
		n, err := textback.ParseNumber(l.Shown, region, nil, true)
		switch {
		case err != nil || n.Kind == textback.KindShort:
			odd = append(odd, l.Shown)
		case !slices.Contains(numbers, n.E164):
			numbers = append(numbers, n.E164)
		}
	}
	return numbers, odd
}

// isNumber tells whether something looks like a public number: seven to fifteen digits, perhaps after a +.
func isNumber(s string) bool {
	d := strings.TrimPrefix(s, "+")
	return len(d) >= 7 && len(d) <= 15 && strings.Trim(d, "0123456789") == ""
}

// most is how much of a name is kept; longer ones are no names.
const most = 80

// Clean makes what a stranger wrote fit for a terminal and for a comment: one line, bounded, nothing that moves the
// cursor or turns the direction of writing.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs), r == unicode.ReplacementChar:
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	return strings.TrimSpace(s)
}

// words is an error of the network in few words, without the addresses that Go puts around it.
func words(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	default:
		return Clean(err.Error())
	}
}

// Count adds further calls of the same kind as one that was added.
func (f *Found) Count(c Call, n int) {
	f.context(Clean(c.Context)).Calls += n
	for i := range f.Lines {
		if f.Lines[i].Shown == Clean(c.Dialled) {
			f.Lines[i].Calls += n
		}
	}
}

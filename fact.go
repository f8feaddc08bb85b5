package textback

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// fact is what is kept of an [Event] with its leg: what makes it the same as another, and no more, because a busy PBX has a
// hundred thousand of them in progress.
type fact struct {
	At    time.Time
	Other string
	*detail
	Kind                                    EventKind
	Of                                      LegKind
	Stage                                   Stage
	Result                                  Result
	By                                      Ender
	Fact                                    FactKind
	On, Holding, Found, Elsewhere, Shutdown bool
}

// detail is what few events have.
type detail struct {
	Info  *LegInfo
	Cause Cause
	Index int
	Text  string
}

// noDetail is shared by all that have none.
var noDetail = new(detail)

// newFact takes from an event what is kept. Its strings are copied: they may be parts of something much longer.
func newFact(e *Event) fact {
	f := fact{At: e.At, Other: e.Other, Kind: e.Kind, Of: e.Of, Stage: e.Stage, Result: e.Result, By: e.By, Fact: e.Fact, On: e.On,
		Holding: e.Holding, Found: e.Found, Elsewhere: e.Elsewhere, Shutdown: e.Shutdown, detail: noDetail}
	if e.Info == nil && e.Cause == (Cause{}) && e.Index == 0 && e.Text == "" {
		return f
	}
	f.detail = &detail{Cause: e.Cause, Index: e.Index, Text: strings.Clone(e.Text)}
	f.Cause.Word = strings.Clone(f.Cause.Word)
	if e.Info != nil {
		in := *e.Info
		in.Name, in.Party.Number, in.Party.Name = strings.Clone(in.Name), strings.Clone(in.Party.Number), strings.Clone(in.Party.Name)
		in.Dialled = slices.Clone(in.Dialled)
		for i := range in.Dialled {
			in.Dialled[i] = strings.Clone(in.Dialled[i])
		}
		f.Info = &in
	}
	return f
}

// compare orders the facts of a leg by the PBX's clock, and those of one instant in one fixed order, whatever the order in which
// they came. It gives 0 for those that tell the same.
func (f *fact) compare(o *fact) int {
	if c := cmp.Or(f.At.Compare(o.At), cmp.Compare(f.Kind, o.Kind), cmp.Compare(f.Other, o.Other), cmp.Compare(f.Stage, o.Stage),
		cmp.Compare(f.Result, o.Result), cmp.Compare(f.By, o.By), cmp.Compare(f.Fact, o.Fact)); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(f.Index, o.Index), cmp.Compare(f.Text, o.Text), cmp.Compare(f.Cause.Q850, o.Cause.Q850),
		cmp.Compare(f.Cause.Word, o.Cause.Word), cmp.Compare(f.Of, o.Of), cmpBool(f.On, o.On), cmpBool(f.Holding, o.Holding),
		cmpBool(f.Found, o.Found), cmpBool(f.Elsewhere, o.Elsewhere), cmpBool(f.Shutdown, o.Shutdown), compareInfo(f.Info, o.Info))
}

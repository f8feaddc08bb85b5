package textback

import (
	"slices"
	"time"
)

// maxEvidence bounds the sentences that are kept with a call: the first and the last ones.
const maxEvidence = 24

// note keeps a sentence for `textback explain`.
func (j *judgement) note(at time.Time, what string) {
	j.Evidence = append(j.Evidence, Evidence{At: at, What: what})
}

// finish adds the end, and puts the evidence in order.
func (j *judgement) finish() {
	if end := j.leg.end(); end != nil {
		what := "ended"
		switch j.by {
		case EndedByCaller:
			what = "the caller hung up"
			if j.direction() == Outbound {
				what = "the far end hung up"
			}
		case EndedByPBX:
			what = "the PBX ended the call"
		case EnderUnknown:
		}
		if j.Cause.Word != "" {
			what += " (" + printable(j.Cause.Word) + ")"
		}
		j.note(end.At, what)
	}
	slices.SortStableFunc(j.Evidence, func(a, b Evidence) int { return a.At.Compare(b.At) })
	j.Evidence = slices.CompactFunc(j.Evidence, func(a, b Evidence) bool { return a.What == b.What })
	if n := len(j.Evidence); n > maxEvidence {
		kept := append(slices.Clone(j.Evidence[:maxEvidence/2-1]), Evidence{What: "and more of the same"})
		j.Evidence = append(kept, j.Evidence[n-maxEvidence/2:]...)
	}
}

func (j *judgement) direction() Direction { return j.Call.Direction }

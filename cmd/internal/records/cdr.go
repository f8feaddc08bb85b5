package records

import (
	"slices"
	"strings"
	"time"

	"textback"
)

// cdr is one call detail record of an Asterisk: a caller and one that was dialled for it, or a caller alone (Asterisk wiki,
// "CDR Specification"). A call has one for each dial, posted when that dial is over.
type cdr struct {
	id, linked            string
	caller, name          string
	dialled, did, context string
	channel, peer, app    string
	start, answer, end    time.Time
	talked                time.Duration // billsec
	disposition           string
	answered              bool
}

// parseCDR reads a record; false if it is none.
func parseCDR(get func(string) string, zone *time.Location) (r cdr, ok bool) {
	r = cdr{id: get("id"), linked: get("linked_id"), caller: get("caller"), dialled: get("dialled"), did: get("did"),
		context: get("context"), channel: get("channel"), peer: get("peer"), app: get("last_app")}
	r.disposition = strings.ToUpper(strings.TrimSpace(get("disposition")))
	switch r.disposition {
	case "ANSWERED", "8": // AST_CDR_ANSWERED and its likes, where a backend writes numbers
		r.disposition, r.answered = "ANSWERED", true
	case "NO ANSWER", "NOANSWER", "1":
		r.disposition = "NO ANSWER"
	case "BUSY", "4":
		r.disposition = "BUSY"
	case "FAILED", "CONGESTION", "2", "16":
		r.disposition = "FAILED"
	default:
		return r, false
	}
	name, number := callerID(get("caller_name"))
	r.name = name
	if r.caller == "" {
		r.caller = number
	}
	var good bool
	if r.start, good = readTime(get("start"), zone); !good {
		return r, false
	}
	r.answer, _ = readTime(get("answer"), zone)
	r.talked = seconds(get("billsec"))
	if r.end, good = readTime(get("end"), zone); !good || r.end.Before(r.start) {
		r.end = r.start.Add(seconds(get("duration")))
	}
	if r.answered && r.answer.IsZero() {
		r.answer = r.end.Add(-min(r.talked, r.end.Sub(r.start)))
	}
	return r, r.id != "" && r.channel != ""
}

// callerID splits `"Name" <number>`.
func callerID(clid string) (name, number string) {
	clid = strings.TrimSpace(clid)
	if i := strings.LastIndexByte(clid, '<'); i >= 0 && strings.HasSuffix(clid, ">") {
		clid, number = strings.TrimSpace(clid[:i]), clid[i+1:len(clid)-1]
	}
	return strings.Trim(clid, `"`), number
}

// created is when a channel was made, out of its unique id: [systemname-]seconds.sequence. Unlike the record's times it
// needs no time zone.
func created(id string) (time.Time, bool) {
	whole, _, ok := strings.Cut(id[strings.LastIndexByte(id, '-')+1:], ".")
	if !ok || len(whole) < 9 || len(whole) > 10 {
		return time.Time{}, false
	}
	return epoch(whole)
}

// inStep moves a record's times by whole quarters of an hour so that they agree with the unique id: a time zone that is not
// the PBX's, or the hour that a clock shows twice.
func (r *cdr) inStep() {
	at, ok := created(r.id)
	if !ok {
		return
	}
	const quarter, slack = 15 * time.Minute, 90 * time.Second
	off := at.Sub(r.start)
	by := off.Round(quarter)
	if by == 0 || off-by > slack || by-off > slack || by > 15*time.Hour || by < -15*time.Hour {
		return
	}
	r.start, r.end = r.start.Add(by), r.end.Add(by)
	if !r.answer.IsZero() {
		r.answer = r.answer.Add(by)
	}
}

// cdrIndex finds records by what hangs together.
type cdrIndex struct {
	s         *Source
	byChannel map[string][]*cdr
	byPeer    map[string][]*cdr
}

// judgeCDRs groups the records into calls from outside and judges each.
func judgeCDRs(s *Source, rows []cdr) []textback.Call {
	x := &cdrIndex{s: s, byChannel: make(map[string][]*cdr), byPeer: make(map[string][]*cdr)}
	byID := make(map[string][]*cdr)
	var order []string
	for i := range rows {
		r := &rows[i]
		r.inStep()
		if len(byID[r.id]) == 0 {
			order = append(order, r.id)
		}
		byID[r.id] = append(byID[r.id], r)
		x.byChannel[r.channel] = append(x.byChannel[r.channel], r)
		if r.peer != "" {
			x.byPeer[r.peer] = append(x.byPeer[r.peer], r)
		}
	}
	var calls []textback.Call
	for _, id := range order {
		own := slices.DeleteFunc(slices.Clone(byID[id]), func(r *cdr) bool { return r.channel != byID[id][0].channel })
		slices.SortStableFunc(own, func(a, b *cdr) int {
			if n := a.start.Compare(b.start); n != 0 {
				return n
			}
			return a.end.Compare(b.end)
		})
		if x.outer(own) {
			calls = append(calls, x.judge(own))
		}
	}
	return calls
}

// outer tells whether the records of one channel are those of a caller from outside.
func (x *cdrIndex) outer(own []*cdr) bool {
	channel := own[0].channel
	if local(channel) || !x.s.fromTrunk(channel) {
		return false
	}
	return slices.ContainsFunc(own, func(r *cdr) bool {
		// FreePBX notes the number that was dialled in did, and moves the call out of the context in which it arrived.
		// Where the trunks are named, a call that begins on one comes from outside.
		return textback.MatchAny(x.s.Inbound, r.context) || r.did != "" || len(x.s.Trunks) > 0
	})
}

func local(channel string) bool { return strings.HasPrefix(channel, "Local/") }

func (x *cdrIndex) judge(own []*cdr) textback.Call {
	first, last := own[0], own[len(own)-1]
	f := &finding{call: textback.Call{ID: x.s.PBX + "/" + first.id, PBX: x.s.PBX, Begin: first.start, End: last.end,
		Party: textback.Party{Number: first.caller, Name: first.name}}}
	if at, ok := created(first.id); ok && at.Before(first.start) {
		f.call.Begin = at
	}
	for _, r := range own {
		if r.end.After(f.call.End) {
			f.call.End = r.end
		}
		for _, form := range []string{r.did, r.dialled} {
			if form != "" && !slices.Contains(f.call.Dialled, form) && len(f.call.Dialled) < 8 {
				f.call.Dialled = append(f.call.Dialled, form)
			}
		}
	}
	rang := false
	for _, r := range own {
		x.read(f, r, &rang, 0)
	}
	// Somebody fetched the caller: a pickup, or a call out of a parking lot.
	for _, r := range x.byPeer[first.channel] {
		if r.answered && r.talked > 0 && r.id != first.id && overlap(r, f.call.Begin, f.call.End) && !local(r.channel) {
			f.connected(r.answer, r.channel)
		}
	}
	for _, r := range own {
		if r.answered && r.peer == "" {
			alone(f, r, rang)
		}
	}
	return f.finish(func() textback.Outcome { return missedCDR(own) })
}

func (f *finding) connected(at time.Time, channel string) {
	if at.Before(f.call.Begin) {
		at = f.call.Begin
	}
	if f.connect.IsZero() || at.Before(f.connect) {
		f.connect = at
	}
	f.note(at, "connected with %s", endpoint(channel))
}

func overlap(r *cdr, from, to time.Time) bool {
	return !r.end.Before(from.Add(-2*time.Second)) && !r.start.After(to.Add(2*time.Second))
}

// maxDepth bounds the local channels that stand between a caller and a phone.
const maxDepth = 8

// read looks at one record with somebody who was dialled.
func (x *cdrIndex) read(f *finding, r *cdr, rang *bool, depth int) {
	switch {
	case r.peer == "":
		f.note(r.start, "%s: %s", app(r), strings.ToLower(r.disposition))
	case !r.answered:
		*rang = true
		f.note(r.start, "%s was tried for %s: %s", endpoint(r.peer), r.end.Sub(r.start), strings.ToLower(r.disposition))
	case local(r.peer):
		x.through(f, r, rang, depth)
	case r.talked <= 0:
		f.doubt("%s answered, and was gone in the same second", endpoint(r.peer))
	default:
		f.connected(r.answer, r.peer)
	}
}

// through follows a local channel to its other half: who answered there, a phone or a mailbox?
func (x *cdrIndex) through(f *finding, r *cdr, rang *bool, depth int) {
	base, half, ok := strings.Cut(r.peer, ";")
	if !ok || depth >= maxDepth {
		f.doubt("%s answered, and nothing tells who that was", endpoint(r.peer))
		return
	}
	other := base + ";2"
	if half == "2" {
		other = base + ";1"
	}
	seen, answered := false, false
	for _, o := range x.byChannel[other] {
		if !overlap(o, r.start, r.end) {
			continue
		}
		seen = true
		answered = answered || o.answered
		x.read(f, o, rang, depth+1)
		if o.answered && o.peer == "" && !isVoicemail(o.app) {
			f.doubt("%s answered by itself, in %s", endpoint(o.channel), app(o))
		}
	}
	if !seen || !answered {
		f.doubt("%s answered, and nothing tells who that was", endpoint(r.peer))
	}
}

// announced is how long the PBX may talk to a caller after all phones have been tried in vain, and still nobody can have
// been there: longer may be a conference that the record does not name.
const announced = 10 * time.Second

// alone looks at a record in which the PBX itself answered: a menu, a queue, a mailbox, an announcement, a conference.
func alone(f *finding, r *cdr, rang bool) {
	switch {
	case isVoicemail(r.app):
		// The last that the call did. Whoever had answered before would have a record of his own.
	case rang && r.talked <= announced && isAnnouncement(r.app):
	default:
		f.doubt("the PBX answered in %s; whether a person was there the record does not tell", app(r))
	}
}

func app(r *cdr) string {
	if r.app == "" {
		return "the dialplan"
	}
	return r.app
}

func isVoicemail(app string) bool { return strings.EqualFold(app, "VoiceMail") }

func isMenu(app string) bool {
	switch strings.ToLower(app) {
	case "background", "waitexten", "read", "backgrounddetect", "readexten":
		return true
	default:
		return false
	}
}

// isAnnouncement tells whether an application talks, waits or hangs up, and connects nobody.
func isAnnouncement(app string) bool {
	switch strings.ToLower(app) {
	case "hangup", "playback", "background", "waitexten", "wait", "noop", "busy", "congestion", "playtones", "answer",
		"progress", "read", "macro", "gosub", "return", "set", "goto", "gotoif", "execif", "macroexit", "":
		return true
	default:
		return false
	}
}

// missedCDR says how a call was missed whose records prove that nobody answered. Records do not tell who hung up, so the
// last one has to: a caller who gives up ends the call in the application in which he is.
func missedCDR(own []*cdr) textback.Outcome {
	last := own[len(own)-1]
	var rang, busy, failed, queue bool
	for _, r := range own {
		if isVoicemail(r.app) && r.answered && r.peer == "" {
			return textback.Voicemail
		}
		queue = queue || strings.EqualFold(r.app, "Queue")
		if r.peer != "" {
			rang = rang || r.disposition == "NO ANSWER"
			busy = busy || r.disposition == "BUSY"
			failed = failed || r.disposition == "FAILED"
		}
	}
	went := last.peer == "" && len(own) > 1 // the dialplan went on after the last one that was tried
	switch {
	case queue && went:
		return textback.QueueTimeout
	case queue:
		return textback.QueueAbandoned
	case rang && !went:
		return textback.Abandoned
	case rang:
		return textback.NoAnswer
	case busy || last.disposition == "BUSY":
		return textback.Busy
	case failed:
		return textback.Unreachable
	case strings.EqualFold(last.app, "Hangup") && last.end.Sub(own[0].start) >= announcement:
		return textback.Closed
	case strings.EqualFold(last.app, "Hangup") || strings.EqualFold(last.app, "Congestion") || strings.EqualFold(last.app, "Dial"):
		return textback.Unreachable
	default:
		return textback.Abandoned // the caller left while something was played
	}
}

// announcement is the shortest call in which something can have been said to the caller.
const announcement = 3 * time.Second

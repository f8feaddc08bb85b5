package esl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readBack asks for what is live. Events that come meanwhile wait in the queue: they are told after the snapshot, and may
// tell what is in it already.
func (s *session) readBack(ctx context.Context) (*Snapshot, error) {
	defer s.watchEnds()()
	core, err := s.askCore(ctx)
	if err != nil {
		return nil, err
	}
	snap := &Snapshot{CoreUUID: core, Dumps: map[string]map[string]string{}}
	if snap.Channels, err = s.show(ctx, "channels"); errors.Is(err, ErrReadBack) {
		snap.Blind = err
		return snap, nil
	} else if err != nil {
		return nil, err
	}
	if snap.Calls, err = s.show(ctx, "calls"); err != nil && !errors.Is(err, ErrReadBack) {
		return nil, err // without the pairs the channels are still worth having
	}
	dumps := newFlattener(s.opts.Keep)
	var gone []string
	for _, uuid := range legsToDump(snap.Channels, s.opts.MaxDumps) {
		body, err := s.api(ctx, "uuid_dump", uuid+" json")
		if err != nil {
			return nil, err
		}
		if dump, err := dumps.flatten([]byte(body)); err == nil {
			snap.Dumps[uuid] = dump
		} else if strings.HasPrefix(body, "-ERR No such channel") {
			gone = append(gone, uuid)
		}
	}
	if len(gone) > 0 {
		s.dropStale(ctx, snap, gone)
	}
	return snap, nil
}

// endGrace is how long the end of a leg may come after the answer that there is no such channel: FreeSWITCH sends events
// from another thread than answers.
const endGrace = 500 * time.Millisecond

// dropStale leaves out the rows of legs that FreeSWITCH does not know any more. Its list comes from a database that is
// written behind; a leg that ended before we subscribed may still stand in it, and its end would never be told. A leg
// whose end was, or is about to be, told stays in: it lived when the list was made.
func (s *session) dropStale(ctx context.Context, snap *Snapshot, gone []string) {
	timer := time.NewTimer(endGrace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := func(row map[string]string) bool { return slices.Contains(gone, row["uuid"]) && !s.hungUp[row["uuid"]] }
	snap.Channels = slices.DeleteFunc(snap.Channels, stale)
	snap.Calls = slices.DeleteFunc(snap.Calls, stale)
}

// watchEnds begins to remember the ends of legs, and returns what stops it.
func (s *session) watchEnds() (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hungUp = map[string]bool{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hungUp = nil
	}
}

func (s *session) sawEnd(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hungUp != nil {
		s.hungUp[uuid] = true
	}
}

// askCore returns FreeSWITCH's id: from the global variable, else from the first event. It is "" if neither tells.
func (s *session) askCore(ctx context.Context) (string, error) {
	body, err := s.api(ctx, "global_getvar", "core_uuid")
	if err != nil {
		return "", err
	}
	if answer := strings.TrimSpace(body); isID(answer) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cores[answer] = true
		return answer, nil
	}
	timer := time.NewTimer(firstEvent)
	defer timer.Stop()
	select {
	case <-s.first:
	case <-timer.C:
	case <-s.done:
		return "", s.cause()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for core := range s.cores {
		return core, nil
	}
	return "", nil
}

// firstEvent is how long the first event is waited for at most: a heartbeat comes sooner.
const firstEvent = 25 * time.Second

// show returns the rows of `show WHAT as json`: {"row_count":2,"rows":[{...},{...}]}, without "rows" if there are none.
func (s *session) show(ctx context.Context, what string) ([]map[string]string, error) {
	body, err := s.api(ctx, "show", what+" as json")
	if err != nil {
		return nil, err
	}
	rows, err := parseRows([]byte(body))
	if err != nil {
		return nil, fmt.Errorf("show %s: %w: %s", what, ErrReadBack, s.quote(body))
	}
	return rows, nil
}

func parseRows(body []byte) ([]map[string]string, error) {
	var table struct {
		Count *int              `json:"row_count"`
		Rows  []json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(body, &table); err != nil {
		return nil, err
	}
	if table.Count == nil || *table.Count != len(table.Rows) {
		return nil, fmt.Errorf("%w: %d rows, not as many as it says", errJSON, len(table.Rows))
	}
	rows := make([]map[string]string, 0, len(table.Rows))
	flat := newFlattener(nil)
	for _, raw := range table.Rows {
		row, err := flat.flatten(raw)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// legsToDump are the legs whose variables matter: those that came in, save the inner ends of loopback channels. If there
// are too many, the youngest are taken: the oldest have been talking for long.
func legsToDump(channels []map[string]string, most int) []string {
	var legs []map[string]string
	for _, row := range channels {
		if row["direction"] == "inbound" && !strings.HasPrefix(row["name"], "loopback/") && isID(row["uuid"]) {
			legs = append(legs, row)
		}
	}
	if len(legs) > most {
		slices.SortStableFunc(legs, func(a, b map[string]string) int { return cmp.Compare(created(b), created(a)) })
		legs = legs[:most]
	}
	uuids := make([]string, len(legs))
	for i, row := range legs {
		uuids[i] = row["uuid"]
	}
	return uuids
}

func created(row map[string]string) int64 {
	n, _ := strconv.ParseInt(row["created_epoch"], 10, 64)
	return n
}

// isID tells whether a channel's id can stand in a command. A dialplan may choose ids that are no UUIDs
// (origination_uuid), so this asks only that it is one word of harmless characters.
func isID(id string) bool {
	for _, c := range id {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return len(id) >= 8 && len(id) <= 256
}

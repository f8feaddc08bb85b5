package esl

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/percipia/eslgo/command"
)

// Call is a call that the PBX is asked to make: it rings Ring, and when that is answered, Then is reached from it.
type Call struct {
	// Ring is a dial string, e.g. "user/1000@example.org". It may not hold spaces, quotes or braces.
	Ring string
	// Then is what the answered leg is connected to: an extension of the dialplan ("+15552340101"), or an application
	// ("&bridge(sofia/gateway/trunk1/15552340101)"). Letters, digits and + * # _ . @ : / - & ( ) may stand in it.
	Then string
	// Context and Dialplan are where Then is looked up. "": "default", "XML".
	Context  string
	Dialplan string
	// CallerName and CallerNumber are shown on Ring. Whatever cannot stand in a command is left out of them.
	CallerName   string
	CallerNumber string
	// Timeout is how long Ring may ring: 30 s unless given.
	Timeout time.Duration
	// Variables are set on the first leg. Letters, digits, spaces and + * # _ . @ : / - may stand in a value.
	Variables map[string]string
}

// Originate asks the PBX to make a call (`bgapi originate`) and waits until the first leg was answered, or refused, or ctx
// is done; in the last case the call may still come about. It returns the first leg's id, which its events carry. It
// fails with ErrDown without a live link, ErrArgument before anything is sent, or ErrOriginate with FreeSWITCH's word
// (NO_ANSWER, USER_NOT_REGISTERED).
func (l *Link) Originate(ctx context.Context, call Call) (uuid string, err error) {
	uuid, job := newUUID(), newUUID()
	cmd, err := call.command(uuid, job)
	if err != nil {
		return "", fmt.Errorf("originate: %w", err)
	}
	s, err := l.session()
	if err != nil {
		return "", fmt.Errorf("originate: %w", err)
	}
	result, err := s.background(ctx, job, cmd)
	if err != nil {
		return "", fmt.Errorf("originate: %w", err)
	}
	if word, ok := strings.CutPrefix(result, "+OK"); ok {
		return cmp.Or(strings.TrimSpace(word), uuid), nil
	}
	return "", fmt.Errorf("originate: %w: %s", ErrOriginate, s.quote(strings.TrimPrefix(result, "-ERR ")))
}

// rawCommand is a command in the words of the event socket.
type rawCommand string

// BuildMessage returns the command.
func (c rawCommand) BuildMessage() string { return string(c) }

func (c *Call) command(uuid, job string) (rawCommand, error) {
	const punctuation = "+*#_.@:/-"
	context, dialplan := cmp.Or(c.Context, "default"), cmp.Or(c.Dialplan, "XML")
	for _, check := range []struct{ what, text, allowed string }{
		{"ring", c.Ring, punctuation + ",|:;=~%"}, {"then", c.Then, punctuation + "&()"},
		{"context", context, punctuation}, {"dialplan", dialplan, punctuation},
	} {
		if check.text == "" || strings.Trim(check.text, "-") == "" || !only(check.text, check.allowed) {
			return "", fmt.Errorf("%s %q: %w", check.what, check.text, ErrArgument)
		}
	}
	timeout := max(1, int(cmp.Or(c.Timeout, 30*time.Second).Seconds()))
	vars := []string{"origination_uuid=" + uuid, fmt.Sprintf("originate_timeout=%d", timeout)}
	if name := clean(c.CallerName, punctuation+" "); name != "" {
		vars = append(vars, "origination_caller_id_name='"+name+"'")
	}
	if number := clean(c.CallerNumber, punctuation); number != "" {
		vars = append(vars, "origination_caller_id_number="+number)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Variables)) {
		value := c.Variables[name]
		if name == "" || !only(name, "_-") || !only(value, punctuation+" ") {
			return "", fmt.Errorf("variable %q: %w", name, ErrArgument)
		}
		vars = append(vars, name+"='"+value+"'")
	}
	// A bgapi may name its own Job-UUID (mod_event_socket.c): so the result cannot come before we know what it is of.
	return rawCommand(fmt.Sprintf("bgapi originate {%s}%s %s %s %s\nJob-UUID: %s",
		strings.Join(vars, ","), c.Ring, c.Then, dialplan, context, job)), nil
}

func only(text, punctuation string) bool { return clean(text, punctuation) == text }

func clean(text, punctuation string) string {
	return strings.Map(func(r rune) rune {
		if r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(punctuation, r)) {
			return r
		}
		return -1
	}, text)
}

// background sends a bgapi command and waits for the BACKGROUND_JOB event with its result.
func (s *session) background(ctx context.Context, job string, cmd command.Command) (string, error) {
	if err := s.listenForJobs(ctx); err != nil {
		return "", err
	}
	result := make(chan string, 1)
	s.mu.Lock()
	s.jobs[job] = result
	s.mu.Unlock()
	defer s.forgetJob(job)
	r, err := s.command(ctx, cmd, s.opts.CmdTimeout)
	if err != nil {
		return "", err
	}
	if !r.IsOk() {
		return "", fmt.Errorf("%w: %s", ErrOriginate, s.quote(r.GetReply()))
	}
	if other := r.Headers.Get("Job-UUID"); other != "" && other != job { // a PBX that names its jobs itself
		s.mu.Lock()
		s.jobs[other] = result
		s.mu.Unlock()
		defer s.forgetJob(other)
	}
	select {
	case text := <-result:
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	case <-s.done:
		return "", s.cause()
	}
}

// listenForJobs adds BACKGROUND_JOB to the subscription, once a session and only when it is needed: the event socket
// tells the jobs of all clients.
func (s *session) listenForJobs(ctx context.Context) error {
	s.mu.Lock()
	done := s.jobEvents
	s.mu.Unlock()
	if done {
		return nil
	}
	r, err := s.command(ctx, command.Event{Format: "json", Listen: []string{"BACKGROUND_JOB"}}, s.opts.CmdTimeout)
	if err != nil {
		return err
	}
	if !r.IsOk() {
		return fmt.Errorf("%w: %s", ErrSubscribe, s.quote(r.GetReply()))
	}
	s.mu.Lock()
	s.jobEvents = true
	s.mu.Unlock()
	return nil
}

func (s *session) jobDone(job, result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if waiter := s.jobs[job]; waiter != nil {
		delete(s.jobs, job)
		select {
		case waiter <- strings.TrimSpace(result):
		default: // it has its result under another name
		}
	}
}

func (s *session) forgetJob(job string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, job)
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

package aritest

import (
	"context"
	"fmt"
	"time"
)

// Cut closes every connection. Clients may come back at once.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutAll()
}

func (s *Server) cutAll() {
	for _, k := range s.sockets {
		s.forget(k)
	}
	for c := range s.conns {
		c.Close()
		delete(s.conns, c)
	}
}

// Down cuts every connection and turns new ones away until Up. What lives goes on living, and events are lost: a network
// that fails.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	s.cutAll()
}

// Up ends Down, Kill and Refuse.
func (s *Server) Up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.refuse = false, 0
}

// Refuse answers every request with an HTTP status, until Up. Websockets that stand are left alone.
func (s *Server) Refuse(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = status
}

// Kill is kill -9 of the PBX: every connection is cut, everything that lived is gone without an event, new connections are turned
// away until Up, and then it has a new start-up time.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	s.cutAll()
	s.state = newState()
	s.serial, s.epoch = 0, max(time.Now().Unix(), s.epoch)+1
	// To the millisecond, as Asterisk tells it, and never the same as before.
	s.startedAt = later(s.startedAt, time.Now().Truncate(time.Millisecond))
}

func later(than, t time.Time) time.Time {
	if !t.After(than) {
		return than.Add(time.Millisecond)
	}
	return t
}

// Restart kills the PBX, keeps it down, lets it answer 503 while it boots, and brings it up.
func (s *Server) Restart(ctx context.Context, down, boot time.Duration) error {
	s.Kill()
	if err := pause(ctx, down); err != nil {
		return err
	}
	s.mu.Lock()
	s.down, s.refuse = false, 503
	s.mu.Unlock()
	if err := pause(ctx, boot); err != nil {
		return err
	}
	s.Up()
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Freeze stops the PBX as SIGSTOP does: connections stand, nothing is answered, what is being played waits. Thaw lets it go on.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.thaw:
		s.thaw = make(chan struct{})
	default: // frozen already
	}
}

// Thaw ends Freeze.
func (s *Server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.thaw:
	default:
		close(s.thaw)
	}
}

// Blackhole makes the websockets that stand half-open: nothing passes any more in either direction and nobody is told. New
// connections work.
func (s *Server) Blackhole() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		k.hole = true
	}
}

// Forget makes the PBX forget every application while its websocket stands: no event comes any more, pings are answered.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sockets)
}

// Skew sets the PBX's clock off from ours by d. It may jump at any time.
func (s *Server) Skew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// Send sends any text as an event to every websocket, and tells whether one took it. It changes nothing of what lives.
func (s *Server) Send(text []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.toAll(func(k *socket) bool { return s.write(k, opText, text) })
}

// SendBytes puts any bytes on every websocket's connection: broken frames, for instance.
func (s *Server) SendBytes(b []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.toAll(func(k *socket) bool { return s.writeRaw(k, b) })
}

func (s *Server) toAll(send func(*socket) bool) bool {
	sent := false
	for _, k := range s.sockets {
		if send(k) {
			sent = true
		}
	}
	return sent
}

// Flood sends n events of no meaning, of the kinds that make up most of a real stream, as fast as the client takes them.
// It gives how many went out.
func (s *Server) Flood(ctx context.Context, n int) int {
	sent := 0
	now := time.Now().Format(ariTime)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		typ, extra := "ChannelVarset", fmt.Sprintf(`"variable":"RTPAUDIOQOSJITTER","value":"minrxjitter=%d"`, i)
		if i%3 == 0 {
			typ, extra = "ChannelDialplan", `"dialplan_app":"NoOp","dialplan_app_data":"flood"`
		}
		raw := fmt.Sprintf(`{%s,"type":"%s","timestamp":"%s","channel":{"id":"sim-flood.1","name":"PJSIP/flood-00000001","state":"Up","protocol_id":"","caller":{"name":"","number":""},"connected":{"name":"","number":""},"accountcode":"","dialplan":{"context":"from-internal","exten":"s","priority":1,"app_name":"NoOp","app_data":""},"creationtime":"%s","language":"en"},"asterisk_id":"02:00:00:00:00:01","application":"textback"}`,
			extra, typ, now, now)
		s.mu.Lock()
		if s.broadcast(typ, []byte(raw)) {
			sent++
		}
		s.mu.Unlock()
	}
	return sent
}

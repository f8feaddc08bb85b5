package esltest

import "fmt"

// Cut ends all connections, as a network does; FreeSWITCH and its calls live on.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut()
}

func (s *Server) cut() {
	for c := range s.conns {
		c.nc.Close()
	}
}

// Kill is kill -9: connections end without a word, all channels are gone, new connections are refused until Start.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	s.down = true
	s.state = newState()
	s.cut()
}

// Start is a FreeSWITCH that comes back after Kill or Shutdown: with a new Core-UUID.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
	s.core = NewUUID()
	s.note()
}

// Restart is Kill and Start.
func (s *Server) Restart() {
	s.Kill()
	s.Start()
}

// Shutdown is an orderly end: each live channel's CHANNEL_HANGUP_COMPLETE with SYSTEM_SHUTDOWN, a disconnect notice, and no
// new connections until Start.
func (s *Server) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.state.ordered() {
		e := &Event{}
		for _, h := range l.full.Headers {
			if h.Name == "Event-Name" {
				h.Value = "CHANNEL_HANGUP_COMPLETE"
			}
			e.Headers = append(e.Headers, h)
		}
		e.Set("Hangup-Cause", "SYSTEM_SHUTDOWN")
		e.Set("variable_hangup_cause", "SYSTEM_SHUTDOWN")
		s.emit(e, nil)
	}
	s.notice("The system is being shut down.\n")
	s.state = newState()
	s.down = true
}

// LoseEnd ends a live channel without an event, and show lists it on: FreeSWITCH writes its list behind, so that a channel
// that ended just before a client subscribed may still stand in it.
func (s *Server) LoseEnd(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.state.legs[uuid]; l != nil {
		l.stale = true
	}
}

// notice sends a disconnect notice and closes behind it. The lock is held.
func (s *Server) notice(text string) {
	for c := range s.conns {
		c.send(noticeFrame(text), true)
	}
}

func noticeFrame(text string) []byte {
	return fmt.Appendf(nil, "Content-Type: text/disconnect-notice\nContent-Length: %d\n\n%s", len(text), text)
}

// Refuse turns new connections away as a closed port does, or no longer; those that are open stay.
func (s *Server) Refuse(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = on
	s.note()
}

// RejectACL greets new connections with the rude rejection of an address that the ACL does not know.
func (s *Server) RejectACL(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acl = on
}

// SetPassword changes the password for logins to come.
func (s *Server) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Password = password
}

// Freeze is SIGSTOP: connections stay and are even accepted, and nothing comes. Calls that are played meanwhile are told
// after Thaw.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		s.frozen = make(chan struct{})
	}
}

// Thaw is SIGCONT.
func (s *Server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thaw()
}

func (s *Server) thaw() {
	if s.frozen != nil {
		close(s.frozen)
		s.frozen = nil
	}
}

// Mute stops answering commands, the login too; events go on.
func (s *Server) Mute(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = on
}

// NoSQL answers show as a FreeSWITCH without its core database does.
func (s *Server) NoSQL(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nosql = on
}

// HideCore leaves `global_getvar core_uuid` without an answer, so that only events tell who runs.
func (s *Server) HideCore(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hideCore = on
}

// Garbage writes bytes into all connections as they are.
func (s *Server) Garbage(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.send(b, false)
	}
}

// Flood sends n events that mean nothing, as fast as they go: CUSTOM callcenter::info of about size bytes.
func (s *Server) Flood(n, size int) {
	padding := make([]byte, size)
	for i := range padding {
		padding[i] = 'x'
	}
	for range n {
		s.Emit(NewEvent("Event-Subclass", "callcenter::info", "Event-Name", "CUSTOM", "CC-Action", "agent-state-change",
			"CC-Agent", "flood", "CC-Padding", string(padding)))
	}
}

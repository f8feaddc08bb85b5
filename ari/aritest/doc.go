// Package aritest is a simulated Asterisk: it speaks ARI's real wire (HTTP and websocket) on any net.Listener and plays
// recorded streams of real calls, many at once, each with channel ids, names and callers of its own.
//
// It keeps what lives from the events that it plays, so that a read-back finds it, and a [Ledger] of what it played:
// which call, which end, when, and whether anybody was listening. It can misbehave as a real PBX does: cut the link, refuse,
// answer 503 while it boots, freeze, vanish behind a dead network, start anew with everything gone, flood, and send
// garbage.
//
//	sim := aritest.New(aritest.Options{})
//	go sim.Serve(listener)
//	defer sim.Close()
//	trace, err := aritest.LoadTrace(aritest.Recorded(), "04-direct-caller-abandons-ringing")
//	_, err = sim.Play(ctx, aritest.Play{Trace: trace, Speed: 20})
//
// It keeps to no clock but the time package's, so it works inside testing/synctest with [NewPipe] as its listener.
package aritest

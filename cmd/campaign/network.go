package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

// spaces tells one network namespace of this process from the next.
var spaces atomic.Int32

// network is a namespace of its own, joined to this one by a pair of interfaces, in which textback runs.
type network struct {
	name, ours, theirs string // of the namespace and the two interfaces
	host, guest        string // addresses
}

// newNetwork makes one. It needs root.
func newNetwork() (*network, error) {
	id := fmt.Sprintf("%d-%d", os.Getpid()%10000, spaces.Add(1))
	third := os.Getpid()%200 + 10
	fourth := int(spaces.Load()) * 4
	n := &network{name: "textback-" + id, ours: "tbh" + id, theirs: "tbg" + id,
		host: fmt.Sprintf("10.213.%d.%d", third, fourth+1), guest: fmt.Sprintf("10.213.%d.%d", third, fourth+2)}
	for _, args := range [][]string{
		{"netns", "add", n.name},
		{"link", "add", n.ours, "type", "veth", "peer", "name", n.theirs, "netns", n.name},
		{"addr", "add", n.host + "/30", "dev", n.ours},
		{"link", "set", n.ours, "up"},
		{"-n", n.name, "addr", "add", n.guest + "/30", "dev", n.theirs},
		{"-n", n.name, "link", "set", n.theirs, "up"},
		{"-n", n.name, "link", "set", "lo", "up"},
	} {
		if err := ip(args...); err != nil {
			n.remove()
			return nil, err
		}
	}
	return n, nil
}

// drop lets both ends send to a hardware address that nobody has: packets are lost without a word to anyone.
func (n *network) drop() error {
	const nobody = "02:00:00:00:de:ad"
	if err := ip("neigh", "replace", n.guest, "lladdr", nobody, "dev", n.ours, "nud", "permanent"); err != nil {
		return err
	}
	return ip("-n", n.name, "neigh", "replace", n.host, "lladdr", nobody, "dev", n.theirs, "nud", "permanent")
}

// restore ends drop.
func (n *network) restore() error {
	if err := ip("neigh", "del", n.guest, "dev", n.ours); err != nil {
		return err
	}
	return ip("-n", n.name, "neigh", "del", n.host, "dev", n.theirs)
}

func (n *network) remove() {
	_ = ip("netns", "del", n.name) // takes the pair with it
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// networkFaults are what networks do, done by the kernel.
func networkFaults() []fault {
	var n *network
	return []fault{{name: "network-drops-packets", root: true,
		expect: "all three links are half-open: each is noticed and made anew, texts in doubt are not sent again, the rest go out once",
		settings: func(s *scene) (settings, error) {
			var err error
			if n, err = newNetwork(); err != nil {
				return settings{}, err
			}
			s.later(n.remove)
			return settings{host: n.host, via: []string{"ip", "netns", "exec", n.name}}, nil
		},
		run: func(ctx context.Context, s *scene) error { return dropsPackets(ctx, s, n) },
	}}
}

func dropsPackets(ctx context.Context, s *scene, n *network) error {
	before, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	if err := s.texted(ctx, before, 20*time.Second); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { defer close(done); s.mix(ctx, 60, 20) }()
	if !wait(ctx, time.Second) {
		return ctx.Err()
	}
	from := time.Now()
	if err := n.drop(); err != nil {
		return err
	}
	noticed := func(what ...string) time.Duration {
		bound, cancel := context.WithTimeout(ctx, 90*time.Second)
		defer cancel()
		if err := s.await(bound, "a dead link to be noticed", func() bool { return s.logged(what...) > 0 }); err != nil {
			s.must(false, "%v: %w", what, err)
		}
		return time.Since(from).Round(100 * time.Millisecond)
	}
	smpp := noticed("smpp-down")
	hq := noticed("pbx-down", "pbx=hq")
	branch := noticed("pbx-down", "pbx=branch")
	s.saw("no packet passes: SMPP noticed after %s, ARI after %s, event socket after %s at the latest", smpp, hq, branch)
	<-done
	if err := n.restore(); err != nil {
		return err
	}
	back := time.Now()
	bound, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := s.linked(bound); err != nil {
		return err
	}
	s.saw("all links back %s after packets pass again", time.Since(back).Round(100*time.Millisecond))
	s.excuse(from.Add(-time.Second), time.Now())
	after, err := s.miss(ctx, 20)
	if err != nil {
		return err
	}
	return s.texted(ctx, after, time.Minute)
}

package esl_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"textback/esl"
	"textback/esl/esltest"
)

func recording(t testing.TB, name string) *esltest.Recording {
	t.Helper()
	r, err := esltest.LoadRecording(filepath.Join("testdata/traces", name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What the link tells of a recorded call is what FreeSWITCH sent of it: each header, lists and newlines included.
func TestARecordedCallComesThroughWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := recording(t, "03-direct-no-answer.esl.gz")
		r := newRig(t, esl.Options{})
		defer r.stop()
		calls, err := r.pbx.Play(t.Context(), rec, esltest.PlayOptions{Speed: 1, Await: true})
		if err != nil {
			t.Fatal(err)
		}
		r.want(t, "up CHANNEL_CREATE CHANNEL_CREATE CHANNEL_HANGUP_COMPLETE CHANNEL_HANGUP_COMPLETE", "up")
		for _, m := range r.messages {
			if m.Name != "CHANNEL_HANGUP_COMPLETE" || m.Headers["Unique-ID"] != calls[0].Truth.ALeg {
				continue
			}
			if len(m.Headers) < 200 {
				t.Errorf("%d headers", len(m.Headers))
			}
			for name, want := range map[string]string{
				"Hangup-Cause": "NORMAL_CLEARING", "Caller-Caller-ID-Name": "JANE DOE", "variable_sip_to_user": "+15550100",
				"variable_originate_disposition": "NO_ANSWER", "Caller-Caller-ID-Number": "+15552340101",
			} {
				if m.Headers[name] != want {
					t.Errorf("%s: %q, want %q", name, m.Headers[name], want)
				}
			}
			if sdp := m.Headers["variable_switch_r_sdp"]; !strings.Contains(sdp, "v=0\r\no=") {
				t.Errorf("sdp: %q", sdp)
			}
			// A list keeps FreeSWITCH's own form; one value is itself.
			if list := m.Headers["variable_originate_causes"]; !strings.Contains(list, ";NO_ANSWER") {
				t.Errorf("causes: %q", list)
			}
			return
		}
		t.Error("the caller's end was not told")
	})
}

// Every recorded event that we subscribe to comes through with every header as it was, in the order of the wire.
func TestEveryRecordedEventComesThroughAsItWas(t *testing.T) {
	all, err := esltest.LoadRecordings(os.DirFS("testdata/traces"))
	if err != nil || len(all) < 10 {
		t.Fatalf("%d recordings: %v", len(all), err)
	}
	total := 0
	for _, rec := range all {
		if strings.HasPrefix(rec.Name, "37") { // they have gaps
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, esl.Options{})
			defer r.stop()
			_, err := r.pbx.Play(t.Context(), rec, esltest.PlayOptions{KeepIDs: true, KeepTimes: true, Await: true})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // a leg that ends during the read-back delays it
			synctest.Wait()
			var got []esl.Message
			for _, m := range r.messages {
				if m.Kind == esl.MessageEvent {
					got = append(got, m)
				}
			}
			for e := range rec.Events() {
				name := e.Get("Event-Name")
				if name == "HEARTBEAT" || !slices.Contains(esl.DefaultEvents(), name) &&
					!(name == "CUSTOM" && slices.Contains(esl.DefaultSubclasses(), e.Get("Event-Subclass"))) {
					continue
				}
				total++
				if len(got) == 0 {
					t.Fatalf("%s: a %s did not come: %s; %s", rec.Name, name, r.story(), r.causes())
				}
				for _, h := range e.Headers {
					// What the server sets itself, and what FreeSWITCH calls the same twice: the first counts.
					if h.Name == "Core-UUID" || h.Name == "Event-Sequence" || h.Value != e.Get(h.Name) {
						continue
					}
					if value := got[0].Headers[h.Name]; value != h.Value {
						t.Fatalf("%s: %s: %s is %q, want %q", rec.Name, name, h.Name, value, h.Value)
					}
				}
				got = got[1:]
			}
			if len(got) != 0 {
				t.Errorf("%s: %d events too many", rec.Name, len(got))
			}
		})
	}
	if total < 400 {
		t.Errorf("%d events were compared", total)
	}
}

func TestOnlyWantedHeadersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := recording(t, "03-direct-no-answer.esl.gz")
		r := newRig(t, esl.Options{Keep: func(name string) bool { return name == "Hangup-Cause" }})
		defer r.stop()
		if _, err := r.pbx.Play(t.Context(), rec, esltest.PlayOptions{Speed: 1, Await: true}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		last := r.last(esl.MessageEvent)
		for _, m := range r.messages {
			if m.Name == "CHANNEL_HANGUP_COMPLETE" {
				last = m
			}
		}
		if last.Headers["Hangup-Cause"] == "" || last.Headers["Unique-ID"] == "" || len(last.Headers) > 9 {
			t.Errorf("%v", last.Headers)
		}
	})
}

// The recordings with a lost connection are played with that loss; what the link then tells is what the recorder saw.
func TestTheRecordedLossesAreSeenAsSuch(t *testing.T) {
	for _, tt := range []struct {
		file      string
		story     string
		restarted bool
		live      int
	}{
		{"37-freeswitch-killed-mid-call.esl.gz", "up down up", true, 0},
		{"37b-client-connection-lost.esl.gz", "up down up", false, 4},
		{"37c-freeswitch-graceful-shutdown.esl.gz", "up down up", true, 0},
	} {
		t.Run(tt.file, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, esl.Options{RetryMin: 100 * time.Millisecond, RetryMax: time.Second})
				defer r.stop()
				_, err := r.pbx.Play(t.Context(), recording(t, tt.file), esltest.PlayOptions{Speed: 1, Await: true})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				var links []string
				for word := range strings.FieldsSeq(r.story()) {
					if word == "up" || word == "down" {
						links = append(links, word)
					}
				}
				snap := r.last(esl.MessageUp).Snapshot
				if got := strings.Join(links, " "); got != tt.story ||
					snap.Restarted != tt.restarted || len(snap.Channels) != tt.live {
					t.Fatalf("%s, restarted %v, %d live", got, snap.Restarted, len(snap.Channels))
				}
				for uuid, dump := range snap.Dumps {
					if dump["variable_sip_to_user"] == "" || dump["Hangup-Cause"] != "" {
						t.Errorf("dump of %s: to %q, cause %q", uuid, dump["variable_sip_to_user"], dump["Hangup-Cause"])
					}
				}
			})
		})
	}
}

// On a real socket, in clear and behind TLS: ten calls at once, and nothing is lost.
func TestTheLinkOnARealSocket(t *testing.T) {
	certificate, roots := selfSigned(t)
	for _, secure := range []bool{false, true} {
		t.Run("tls="+strconv.FormatBool(secure), func(t *testing.T) {
			pbx := esltest.New(esltest.Options{Password: password})
			defer pbx.Close()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			opts := esl.Options{Addr: l.Addr().String(), Password: password}
			if secure {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}})
				opts.TLS = &tls.Config{RootCAs: roots}
			}
			go pbx.Serve(l)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			ends := make(chan string, 100)
			done := make(chan error, 1)
			go func() {
				done <- esl.Run(ctx, opts, func(m esl.Message) {
					if m.Name == "CHANNEL_HANGUP_COMPLETE" {
						ends <- m.Headers["Unique-ID"]
					}
				})
			}()
			calls, err := pbx.Play(ctx, recording(t, "35-ten-concurrent-mixed.esl.gz"), esltest.PlayOptions{Await: true})
			if err != nil {
				t.Fatal(err)
			}
			missing := map[string]bool{}
			for _, c := range calls {
				if c.Truth.ALeg != "" {
					missing[c.Truth.ALeg] = true
				}
			}
			if len(missing) < 10 {
				t.Fatalf("%d calls", len(missing))
			}
			for len(missing) > 0 {
				select {
				case uuid := <-ends:
					delete(missing, uuid)
				case <-ctx.Done():
					t.Fatalf("%d calls did not end", len(missing))
				}
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		})
	}
}

// A certificate that nobody vouches for is no connection, and there is no falling back to clear text.
func TestAnUnknownCertificateIsRefused(t *testing.T) {
	certificate, _ := selfSigned(t)
	pbx := esltest.New(esltest.Options{Password: password})
	defer pbx.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go pbx.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	told := make(chan esl.Status, 10)
	go esl.Run(ctx, esl.Options{Addr: l.Addr().String(), Password: password, TLS: &tls.Config{RootCAs: x509.NewCertPool()},
		Notify: func(s esl.Status) { told <- s }}, func(esl.Message) {})
	var unknown x509.UnknownAuthorityError
	if s := <-told; s.Cause != esl.CauseUnreachable || !errors.As(s.Err, &unknown) {
		t.Errorf("%v: %v", s.Cause, s.Err)
	}
	if len(pbx.Commands()) != 0 {
		t.Error("something was sent")
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// BenchmarkLink is events through Run over loopback TCP, the simulated PBX included: a HANGUP_COMPLETE of 9 KB.
func BenchmarkLink(b *testing.B) {
	for _, keep := range []bool{true, false} {
		b.Run("keepall="+strconv.FormatBool(keep), func(b *testing.B) {
			pbx := esltest.New(esltest.Options{Heartbeat: -1})
			defer pbx.Close()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			go pbx.Serve(l)
			opts := esl.Options{Addr: l.Addr().String(), Password: "ClueCon", Events: []string{"CHANNEL_HANGUP_COMPLETE"}}
			if !keep {
				opts.Keep = func(name string) bool { return strings.HasPrefix(name, "Caller-") }
			}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			got := make(chan struct{}, 1000)
			go esl.Run(ctx, opts, func(m esl.Message) {
				if m.Kind == esl.MessageEvent {
					got <- struct{}{}
				}
			})
			rec := recording(b, "03-direct-no-answer.esl.gz")
			var event *esltest.Event
			for e := range rec.Events() {
				if e.Get("Event-Name") == "CHANNEL_HANGUP_COMPLETE" {
					event = e
				}
			}
			event.Set("Core-UUID", pbx.CoreUUID())
			if err := pbx.AwaitSubscriber(ctx); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(event.JSON())))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				pbx.Emit(event)
				if i >= 500 {
					<-got
				}
			}
			for range min(b.N, 500) {
				<-got
			}
		})
	}
}

// On real sockets, cut again and again under a flood: each loss is told, each return brings a read-back, and the last
// session works.
func TestCutAgainAndAgainUnderAFlood(t *testing.T) {
	pbx := esltest.New(esltest.Options{Password: password})
	defer pbx.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go pbx.Serve(l)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	kinds := make(chan esl.Message, 100)
	done := make(chan error, 1)
	go func() {
		done <- esl.Run(ctx, esl.Options{Addr: l.Addr().String(), Password: password, RetryMin: time.Millisecond,
			RetryMax: 2 * time.Millisecond, Queue: 64}, func(m esl.Message) {
			if m.Kind == esl.MessageUp || m.Kind == esl.MessageDown || m.Headers["Unique-ID"] == "the-last-one" {
				kinds <- m
			}
		})
	}()
	next := func() esl.Message {
		select {
		case m := <-kinds:
			return m
		case <-ctx.Done():
			t.Fatal("nothing more was told")
			return esl.Message{}
		}
	}
	for range 40 {
		if m := next(); m.Kind != esl.MessageUp || m.Snapshot == nil {
			t.Fatalf("%v instead of up", m.Kind)
		}
		go pbx.Flood(200, 2000)
		pbx.Cut()
		if m := next(); m.Kind != esl.MessageDown || m.Err == nil {
			t.Fatalf("%v instead of down", m.Kind)
		}
	}
	next()
	for ctx.Err() == nil { // a gap may swallow it: then it is in no read-back, for it is no channel
		pbx.Emit(channelEvent("CHANNEL_HANGUP_COMPLETE", "the-last-one"))
		select {
		case m := <-kinds:
			if m.Kind == esl.MessageEvent {
				cancel()
			}
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
}

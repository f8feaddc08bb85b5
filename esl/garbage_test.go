package esl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/percipia/eslgo"

	"textback/esl"
	"textback/esl/esltest"
)

// Each kind of garbage on a live link ends the session with one clear status, and the link comes back.
func TestGarbageEndsTheSessionAndNotTheDaemon(t *testing.T) {
	for _, tt := range []struct{ name, garbage, cause string }{
		{"negative length", "Content-Length: -1\nContent-Type: text/event-json\n\n", "protocol"},
		{"length beyond all numbers", "Content-Length: 99999999999999999999\nContent-Type: text/event-json\n\n", "protocol"},
		{"length beyond the limit", "Content-Length: 999999999\nContent-Type: text/event-json\n\n", "protocol"},
		{"length in words", "Content-Length: many\n\n", "protocol"},
		{"not a header", "SSH-2.0-OpenSSH_9.2p1\n", "protocol"},
		{"a name with a space", "Some thing: 1\n\n", "protocol"},
		{"an endless line", strings.Repeat("x", 100<<10), "protocol"},
		{"endless headers", strings.Repeat("X-Header: y\n", 1000), "protocol"},
		{"nothing but blank lines", strings.Repeat("\n", 1000), "protocol"},
		{"a second greeting", "Content-Type: auth/request\n\n", "protocol"},
		{"a notice with the password",
			"Content-Type: text/disconnect-notice\nContent-Length: 20\n\nbye " + password + " \x00\x01\n\x1b[31m hi!", "notice"},
		{"a rejection in the middle", "Content-Type: text/rude-rejection\n\n", "acl"},
		{"half a frame", "Content-Length: 100000\nContent-Type: text/event-json\n\n{", "silent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, esl.Options{})
				defer r.stop()
				synctest.Wait()
				r.pbx.Garbage([]byte(tt.garbage))
				time.Sleep(61 * time.Second)
				if tt.cause == "acl" {
					time.Sleep(time.Minute)
				}
				time.Sleep(5 * time.Second)
				r.want(t, "up down up", "up "+tt.cause+" up")
				if text := fmt.Sprint(r.status(1).Err); strings.ContainsAny(text, "\n\x1b\x00") || len(text) > 300 {
					t.Errorf("not fit for a log line: %q", text)
				}
			})
		})
	}
}

func event(body string) string {
	return fmt.Sprintf("Content-Length: %d\nContent-Type: text/event-json\n\n%s", len(body), body)
}

// A peer that talks garbage all day is told once a minute, not once an attempt.
func TestAPeerThatOnlyTalksGarbageIsToldSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{Password: password})
		attempts := 0
		r := rigOn(t, pbx, esl.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			attempts++
			ours, theirs := net.Pipe()
			go func() {
				ours.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				ours.Close()
			}()
			return theirs, nil
		}}, nil)
		defer r.stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if told := strings.Count(r.causes(), "protocol"); told < 8 || told > 11 || attempts < 20 {
			t.Errorf("told %d times of %d attempts", told, attempts)
		}
		if text := fmt.Sprint(r.status(0).Err); !strings.Contains(text, "HTTP/1.1 400 Bad Request") {
			t.Errorf("does not show what answered: %s", text)
		}
	})
}

// A frame of a kind that we do not know is passed over, an event that cannot be read is made good by a read-back: neither
// ends the session.
func TestWhatIsOddButWellFramedKeepsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{})
		defer r.stop()
		synctest.Wait()
		r.pbx.Garbage([]byte("Content-Type: log/data\nContent-Length: 5\nLog-Level: 7\n\nhello"))
		r.pbx.Garbage([]byte("X-New: thing\n\n"))
		r.pbx.Garbage([]byte("Content-Type: command/reply\nReply-Text: +OK of nobody\n\n"))
		r.pbx.Garbage([]byte("Content-Type: api/response\nContent-Length: 17\n\n{\"row_count\": 0}\n"))
		r.pbx.Garbage([]byte(event(`{"Event-Name":"HEARTBEAT","Core-UUID":"ffffffff-0000"}`)))
		plain := channelEvent("CHANNEL_BRIDGE", "leg-000001").Plain()
		r.pbx.Garbage(fmt.Appendf(nil, "Content-Length: %d\nContent-Type: text/event-plain\n\n%s", len(plain), plain))
		r.pbx.Emit(channelEvent("CHANNEL_CREATE", "leg-000001"))
		r.want(t, "up CHANNEL_BRIDGE CHANNEL_CREATE", "up")
		r.mu.Lock()
		if from := r.messages[2].Headers["Channel-Name"]; from != "sofia/external/+15552340101@192.0.2.1" {
			t.Errorf("the plain event came from %q", from)
		}
		r.messages = slices.Delete(r.messages, 2, 3)
		r.mu.Unlock()
		for range 100 {
			r.pbx.Garbage([]byte(event(`{"Event-Name":"CHANNEL_HANGUP_COMPLETE","Unique-ID":`)))
		}
		time.Sleep(10 * time.Second)
		r.want(t, "up CHANNEL_CREATE overflow", "up overflow")
		if n := len(r.last(esl.MessageOverflow).Snapshot.Channels); n != 1 {
			t.Errorf("%d channels read back", n)
		}
		r.pbx.Emit(channelEvent("CHANNEL_ANSWER", "leg-000001"))
		r.want(t, "up CHANNEL_CREATE overflow CHANNEL_ANSWER", "up overflow")
	})
}

// A length that is only promised costs no memory.
func TestAPromisedBodyCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, esl.Options{MaxFrame: 1 << 30})
		defer r.stop()
		synctest.Wait()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.pbx.Garbage([]byte("Content-Length: 1073741824\nContent-Type: text/event-json\n\n{"))
		synctest.Wait()
		runtime.ReadMemStats(&after)
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 4<<20 {
			t.Errorf("%d bytes were allocated", grown)
		}
	})
}

// FuzzLink puts any bytes behind a good login: the session ends or goes on, the link never panics, waits for ever or says
// the password, and tells an end for each beginning.
func FuzzLink(f *testing.F) {
	f.Add([]byte(event(`{"Event-Name":"CHANNEL_CREATE","Unique-ID":"a","Core-UUID":"c"}`) + event(`{"broken":`)))
	f.Add([]byte("Content-Type: text/disconnect-notice\nContent-Length: 4\n\n" + password[:4]))
	f.Add([]byte("Content-Type: command/reply\nReply-Text: +OK\n\nContent-Type: api/response\nContent-Length: 2\n\n{}"))
	f.Add([]byte("Content-Length: -1\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			pbx := esltest.New(esltest.Options{Password: password})
			r := rigOn(t, pbx, esl.Options{}, nil)
			synctest.Wait()
			pbx.Garbage(data)
			synctest.Wait()
			pbx.Kill()
			time.Sleep(2 * time.Minute)
			r.stop()
			if strings.Contains(r.causes(), "PASSWORD-IN-ERROR") {
				t.Error("the password is in an error")
			}
			ups, downs := 0, 0
			for word := range strings.FieldsSeq(r.story()) {
				switch word {
				case "up":
					ups++
				case "down":
					downs++
				}
			}
			if ups == 0 || ups != downs {
				t.Errorf("%d times up, %d times down", ups, downs)
			}
		})
	})
}

// The reason why the connection is not eslgo's: it makes a slice of whatever length the peer names, in a goroutine of its
// own. Only another process can show it.
func TestTheLibrarysOwnConnectionDiesOfANegativeContentLength(t *testing.T) {
	if addr := os.Getenv("ESLGO_DIAL"); addr != "" {
		opts := eslgo.DefaultInboundOptions
		opts.Logger = nil
		_, err := opts.Dial(addr)
		t.Logf("survived: %v", err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("Content-Type: auth/request\nContent-Length: -1\n\n"))
			defer c.Close()
		}
	}()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "ESLGO_DIAL="+l.Addr().String())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "makeslice: len out of range") {
		t.Errorf("eslgo's connection lived on (%v): our own may not be needed any more\n%s", err, out)
	}
}

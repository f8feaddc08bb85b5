package esltest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"textback/esl/esltest"
)

const traces = "../testdata/traces"

func load(t *testing.T, name string) *esltest.Recording {
	t.Helper()
	r, err := esltest.LoadRecording(filepath.Join(traces, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// client is a bare event socket client, so that the server is not judged by the code that it tests.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, pbx *esltest.Server) *client {
	t.Helper()
	conn, err := pbx.Dial(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) frame() (textproto.MIMEHeader, string) {
	c.t.Helper()
	head, err := textproto.NewReader(c.in).ReadMIMEHeader()
	if err != nil {
		c.t.Fatalf("read a frame: %v", err)
	}
	n, _ := strconv.Atoi(head.Get("Content-Length"))
	body := make([]byte, n)
	if _, err := io.ReadFull(c.in, body); err != nil {
		c.t.Fatal(err)
	}
	return head, string(body)
}

func (c *client) ask(command string) (textproto.MIMEHeader, string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, command+"\n\n"); err != nil {
		c.t.Fatal(err)
	}
	return c.frame()
}

func (c *client) login() {
	c.t.Helper()
	if head, _ := c.frame(); head.Get("Content-Type") != "auth/request" {
		c.t.Fatalf("greeting: %v", head)
	}
	if head, _ := c.ask("auth ClueCon"); head.Get("Reply-Text") != "+OK accepted" {
		c.t.Fatalf("auth: %v", head)
	}
}

// The words of the handshakes are those that were recorded, to the byte.
func TestHandshakesAreThoseOfFreeSWITCH(t *testing.T) {
	for _, tt := range []struct{ file, commands string }{
		{"00-handshake-good.esl.gz", "auth ClueCon\n\nevent plain CHANNEL_CREATE\n\nevent plain NOSUCH\n\nnosuchcommand\n\n" +
			"api nosuchapi\n\napi show channels as json\n\nfilter Call-Direction inbound\n\nexit\n\n"},
		{"00-handshake-bad-password.esl.gz", "auth wrong\n\n"},
		{"00-handshake-no-auth.esl.gz", "api status\n\n"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			want := unzip(t, filepath.Join(traces, tt.file))
			// The recorder also asked for a background job, whose id is random.
			if before, job, ok := bytes.Cut(want, []byte("Content-Type: command/reply\nReply-Text: +OK Job-UUID")); ok {
				_, after, _ := bytes.Cut(job, []byte("\n\n"))
				want = append(before, after...)
			}
			pbx := esltest.New(esltest.Options{Heartbeat: -1})
			defer pbx.Close()
			conn, err := pbx.Dial(t.Context(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go io.WriteString(conn, tt.commands)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(conn, got); err != nil {
				t.Fatalf("%v after %q", err, got)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What is played without changes is what was recorded: each event's plain form, byte for byte.
func TestPlayingARecordingUnchangedGivesItsBytes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(traces, "*.esl.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		// Those with a gap change ids, the longest is too long, and a login has no events.
		if strings.HasPrefix(name, "37") || strings.HasPrefix(name, "35") || strings.HasPrefix(name, "00") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playUnchanged(t, name) })
		})
	}
}

func playUnchanged(t *testing.T, name string) {
	want := recordedEvents(t, filepath.Join(traces, name))
	r := load(t, name)
	pbx := esltest.New(esltest.Options{Heartbeat: -1})
	defer pbx.Close()
	c := dial(t, pbx)
	c.login()
	if head, _ := c.ask("event plain ALL"); head.Get("Reply-Text") != "+OK event listener enabled plain" {
		t.Fatal(head)
	}
	go pbx.Play(t.Context(), r, esltest.PlayOptions{KeepIDs: true, KeepTimes: true})
	for i, wanted := range want {
		_, got := c.frame()
		if got := normal(got); got != wanted {
			t.Fatalf("event %d: got\n%s\nwant\n%s", i, got, wanted)
		}
	}
}

// normal is an event without what belongs to the server: its id and its count.
func normal(event string) string {
	var b strings.Builder
	for line := range strings.Lines(event) {
		if !strings.HasPrefix(line, "Core-UUID") && !strings.HasPrefix(line, "Event-Sequence") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func unzip(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func recordedEvents(t *testing.T, file string) []string {
	t.Helper()
	raw := unzip(t, file)
	var events []string
	for len(raw) > 0 {
		raw = bytes.TrimLeft(raw, "\n")
		head, rest, _ := bytes.Cut(raw, []byte("\n\n"))
		n := 0
		if _, length, ok := bytes.Cut(head, []byte("Content-Length: ")); ok {
			fmt.Sscan(string(length), &n)
		}
		raw = rest[n:]
		event := string(rest[:n])
		if bytes.Contains(head, []byte("event-plain")) && !strings.HasPrefix(event, "Event-Name: HEARTBEAT") {
			events = append(events, normal(event))
		}
	}
	return events
}

func TestACopyHasItsOwnIdsNumbersAndTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := load(t, "03-direct-no-answer.esl.gz")
		recorded := r.Truth[0]
		pbx := esltest.New(esltest.Options{Heartbeat: -1})
		defer pbx.Close()
		c := dial(t, pbx)
		c.login()
		c.ask("event json CHANNEL_CREATE CHANNEL_HANGUP_COMPLETE")
		played := make(chan []esltest.Played, 1)
		go func() {
			calls, err := pbx.Play(t.Context(), r, esltest.PlayOptions{Speed: 10, Numbers: r.Callers("+15559990001")})
			if err != nil {
				t.Error(err)
			}
			played <- calls
		}()
		var events []map[string]any
		var at []time.Time
		for range 4 {
			_, body := c.frame()
			if strings.Contains(body, recorded.ALeg) || strings.Contains(body, recorded.Caller[2:]) {
				t.Errorf("the recorded id or number is in %s", body)
			}
			var e map[string]any
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
			at = append(at, time.Now())
		}
		calls := <-played
		var a []map[string]any
		for i, e := range events {
			us, _ := strconv.ParseInt(e["Event-Date-Timestamp"].(string), 10, 64)
			if when := time.UnixMicro(us); when.After(at[i].Add(time.Second)) {
				t.Errorf("an event of %s was played at %s", when, at[i])
			}
			if e["Unique-ID"] == calls[0].Truth.ALeg {
				a = append(a, e)
			}
		}
		if len(a) != 2 || a[0]["Caller-Caller-ID-Number"] != "+15559990001" {
			t.Fatalf("the caller's leg: %v", a)
		}
		created, _ := strconv.ParseInt(a[1]["Caller-Channel-Created-Time"].(string), 10, 64)
		ended, _ := strconv.ParseInt(a[1]["Caller-Channel-Hangup-Time"].(string), 10, 64)
		rang := time.Duration(ended-created) * time.Microsecond
		if d := rang - time.Duration(recorded.Ring*float64(time.Second)); d < -2*time.Second || d > 2*time.Second {
			t.Errorf("rang %s, recorded %v s", rang, recorded.Ring)
		}
		got := calls[0]
		if got.Truth.Caller != "+15559990001" || got.Told != 1 || got.Ended.IsZero() || got.Written.IsZero() {
			t.Errorf("ledger: %+v", got)
		}
		if len(pbx.Live()) != 0 {
			t.Errorf("live at the end: %v", pbx.Live())
		}
	})
}

func TestWhatLivesIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := load(t, "01-direct-answered-caller-hangs-up.esl.gz")
		pbx := esltest.New(esltest.Options{Heartbeat: -1})
		defer pbx.Close()
		c := dial(t, pbx)
		c.login()
		done := make(chan struct{})
		go func() {
			defer close(done)
			pbx.Play(t.Context(), r, esltest.PlayOptions{Speed: 1})
		}()
		time.Sleep(8 * time.Second) // answered after five, over after eleven
		_, body := c.ask("api show channels as json")
		var channels struct {
			Count int                 `json:"row_count"`
			Rows  []map[string]string `json:"rows"`
		}
		if err := json.Unmarshal([]byte(body), &channels); err != nil || channels.Count != 2 {
			t.Fatalf("%v: %s", err, body)
		}
		row := channels.Rows[0]
		for name, want := range map[string]string{"direction": "inbound", "cid_num": "+15552340101", "dest": "+15550100",
			"initial_dest": "+15550100", "callstate": "ACTIVE", "context": "public", "initial_context": "public"} {
			if row[name] != want {
				t.Errorf("%s: %q, want %q", name, row[name], want)
			}
		}
		_, body = c.ask("api show calls as json")
		if !strings.Contains(body, `"row_count":1`) || !strings.Contains(body, `"b_uuid":"`+channels.Rows[1]["uuid"]) {
			t.Errorf("calls: %s", body)
		}
		_, body = c.ask("api uuid_dump " + row["uuid"] + " json")
		var dump map[string]any
		if err := json.Unmarshal([]byte(body), &dump); err != nil || dump["variable_sip_to_user"] != "+15550100" {
			t.Errorf("dump: %v %s", err, body)
		}
		<-done
		if _, body = c.ask("api show channels as json"); body != "{\"row_count\": 0}\n" {
			t.Errorf("after the end: %q", body)
		}
		if _, body = c.ask("api uuid_dump " + row["uuid"] + " json"); body != "-ERR No such channel!\n" {
			t.Errorf("after the end: %q", body)
		}
	})
}

func TestALostConnectionIsPlayedAsItWasRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := load(t, "37b-client-connection-lost.esl.gz")
		pbx := esltest.New(esltest.Options{Heartbeat: -1})
		defer pbx.Close()
		done := make(chan []esltest.Played, 1)
		go func() {
			calls, err := pbx.Play(t.Context(), r, esltest.PlayOptions{Speed: 1, Await: true})
			if err != nil {
				t.Error(err)
			}
			done <- calls
		}()
		c := dial(t, pbx)
		c.login()
		c.ask("event plain CHANNEL_HANGUP_COMPLETE")
		if _, err := textproto.NewReader(c.in).ReadMIMEHeader(); err == nil {
			t.Fatal("an end that nobody saw was told")
		}
		if conn, err := pbx.Dial(t.Context(), "tcp", ""); err == nil {
			conn.Close()
			t.Fatal("let in during the gap")
		}
		time.Sleep(10 * time.Second)
		c = dial(t, pbx)
		c.login()
		_, body := c.ask("api show channels as json")
		if !strings.Contains(body, `"row_count":4`) || !strings.Contains(body, "+15552340103") {
			t.Errorf("after the gap: %s", body)
		}
		c.ask("event plain CHANNEL_HANGUP_COMPLETE")
		for range 4 {
			c.frame()
		}
		calls := <-done
		told := []int{calls[0].Told, calls[1].Told, calls[2].Told}
		if fmt.Sprint(told) != "[1 0 1]" {
			t.Errorf("told: %v", told)
		}
	})
}

func TestAPlayEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pbx := esltest.New(esltest.Options{})
		defer pbx.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := pbx.Play(ctx, load(t, "03-direct-no-answer.esl.gz"), esltest.PlayOptions{Speed: 1}); err == nil {
			t.Error("played on")
		}
	})
}

var update = flag.Bool("update", false, "write the built-in recordings anew (they are compiled in: test again after it)")

var recorded = []string{"01-direct-answered-caller-hangs-up", "03-direct-no-answer", "04-direct-caller-hangs-up-ringing",
	"05-direct-busy-486", "07-not-registered", "08-ringgroup-one-answers", "09-ringgroup-no-answer", "13-callcenter-answered",
	"14-callcenter-caller-abandons", "17-noanswer-voicemail-message", "18-voicemail-hangup-in-greeting",
	"18c-vanilla-loopback-voicemail-hangup", "19-ivr-hangup-no-choice", "22-outbound-unanswered",
	"25-anonymous-no-answer", "28-blind-transfer-refer-no-answer", "33-abandon-then-answered",
	"44-closed-hours-message"}

// The recordings that are built in are the recordings, less what nobody subscribes to.
func TestTheBuiltInRecordingsAreWhatTheyWereMadeOf(t *testing.T) {
	if *update {
		for _, name := range recorded {
			writeRecorded(t, name)
		}
	}
	got, err := esltest.LoadRecordings(esltest.Recorded())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(recorded) {
		t.Fatalf("%d recordings", len(got))
	}
	for i, r := range got {
		whole := load(t, recorded[i]+".esl.gz")
		if r.Name != whole.Name || !reflect.DeepEqual(r.Truth, whole.Truth) || len(r.Truth) == 0 {
			t.Errorf("%s: truth %v", r.Name, r.Truth)
		}
		want := slices.Collect(reduced(whole).Events())
		if events := slices.Collect(r.Events()); !slices.EqualFunc(events, want, func(a, b *esltest.Event) bool {
			return bytes.Equal(a.JSON(), b.JSON())
		}) {
			t.Errorf("%s: %d events, want %d: go test ./esl/esltest -update", r.Name, len(events), len(want))
		}
	}
}

func reduced(r *esltest.Recording) *esltest.Recording {
	return r.Only("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_HANGUP_COMPLETE",
		"CUSTOM").Trim()
}

func writeRecorded(t *testing.T, name string) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reduced(load(t, name+".esl.gz")).WriteTo(z); err != nil {
		t.Fatal(err)
	}
	z.Close()
	if err := os.WriteFile(filepath.Join("recordings", name+".esl.gz"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	sidecar := unzip(t, filepath.Join(traces, name+".json.gz"))
	if err := os.WriteFile(filepath.Join("recordings", name+".json"), sidecar, 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzReadRecording(f *testing.F) {
	f.Add([]byte("Content-Type: command/reply\nReply-Text: +OK\n\nContent-Length: 48\nContent-Type: text/event-plain\n\n" +
		"Event-Name: A\nEvent-Date-Timestamp: 1795488000000000\n\n"))
	f.Add([]byte("Content-Length: 99999999999\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := esltest.ReadRecording("fuzz", bytes.NewReader(data))
		if err == nil && r == nil {
			t.Error("neither a recording nor an error")
		}
	})
}

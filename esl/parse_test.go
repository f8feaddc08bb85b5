package esl

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFramesAreReadInPiecesOfAnySize(t *testing.T) {
	const wire = "\n\nContent-Type: auth/request\r\n\r\nContent-Length: 5\nContent-Type: text/event-json\n\nhello" +
		"Content-Type: command/reply\nReply-Text: +OK: fine\nreply-text: second\n\n\n"
	for _, r := range []io.Reader{strings.NewReader(wire), iotest.OneByteReader(strings.NewReader(wire)),
		iotest.HalfReader(strings.NewReader(wire))} {
		frames := newFrameReader(r, 100)
		for _, want := range []string{"auth/request||", "text/event-json||hello", "command/reply|+OK: fine|"} {
			f, err := frames.next()
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Headers.Get("Content-Type") + "|" + f.Headers.Get("Reply-Text") + "|" + string(f.Body); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		if _, err := frames.next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

func TestAnEventBecomesAMap(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     map[string]string
	}{
		{"empty", ` { } `, map[string]string{}},
		{"strings", `{"a":"1","b" : "x y"}`, map[string]string{"a": "1", "b": "x y"}},
		{"escapes", `{"a":"v=0\r\n\"q\" \\ \u00e9\ud83d\ude00\/"}`, map[string]string{"a": "v=0\r\n\"q\" \\ é😀/"}},
		{"escaped name", `{"\u0061":"1","b":"2"}`, map[string]string{"a": "1", "b": "2"}},
		{"list", `{"a":["x","y","z"]}`, map[string]string{"a": "ARRAY::x|:y|:z"}},
		{"list of one", `{"a":["x"]}`, map[string]string{"a": "x"}},
		{"empty list", `{"a":[]}`, map[string]string{"a": ""}},
		{"list with empty first", `{"a":["","y"]}`, map[string]string{"a": "ARRAY::|:y"}},
		{"other values", `{"a":1.5e3,"b":true,"c":null,"d":{"x":["}"]},"e":[1,{"y":2}]}`,
			map[string]string{"a": "1.5e3", "b": "true", "c": "", "d": `{"x":["}"]}`, "e": `ARRAY::1|:{"y":2}`}},
		{"twice", `{"a":"first","a":"second"}`, map[string]string{"a": "first"}},
		{"bytes that are no UTF-8", "{\"a\":\"caf\xe9\"}", map[string]string{"a": "caf\uFFFD"}},
		{"names out of the ordinary", `{"variable_arr[0]":"1","variable_(x)":"2","variable_é":"3","":"4"}`,
			map[string]string{"variable_arr[0]": "1", "variable_(x)": "2", "variable_é": "3", "": "4"}},
		{"body", `{"Event-Name":"MESSAGE","Content-Length":"5","_body":"100%\n"}`,
			map[string]string{"Event-Name": "MESSAGE", "Content-Length": "5", "_body": "100%\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newFlattener(nil).flatten([]byte(tt.in))
			if err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("%v, %v\nwant %v", got, err, tt.want)
			}
		})
	}
}

func TestAPlainEventBecomesTheSameMap(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want map[string]string
	}{
		{"Event-Name: HEARTBEAT\nUp-Time: 0%20years,%201%20day\n\n", map[string]string{"Event-Name": "HEARTBEAT", "Up-Time": "0 years, 1 day"}},
		{"a: 100%\r\nvariable_arr[0]: ARRAY::x|:y\nb: v%3D0%0D%0A\nc:\nc: 2\n", map[string]string{"a": "100%",
			"variable_arr[0]": "ARRAY::x|:y", "b": "v=0\r\n", "c": ""}},
		{"Event-Name: MESSAGE\nContent-Length: 7\n\n100% é", map[string]string{"Event-Name": "MESSAGE", "Content-Length": "7",
			"_body": "100% é"}},
	} {
		got, err := newFlattener(nil).plain([]byte(tt.in))
		if err != nil || !maps.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v", tt.in, got, err)
		}
	}
	for _, in := range []string{"", "\n", "no colon\n\n"} {
		if got, err := newFlattener(nil).plain([]byte(in)); !errors.Is(err, errPlain) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func TestWhatIsNoObjectIsRefused(t *testing.T) {
	for _, in := range []string{"", " ", "null", "[]", `"a"`, "{", `{"a"`, `{"a":`, `{"a":"1"`, `{"a":"1",}`, `{"a" "1"}`,
		`{"a":"1"}x`, `{"a":"1"}{}`, `{a:"1"}`, `{"a":'1'}`, `{"a":[}`, `{"a":["1"}`, `{"a":{]}`, `{"a":tru}`, `{"a":1 2}`,
		"{\"a\":\"\n\"}", `{"a":"\"}`, `{"a":{"b":[}]}}`, "{\"a\":" + strings.Repeat("[", 100000)} {
		if got, err := newFlattener(nil).flatten([]byte(in)); !errors.Is(err, errJSON) {
			t.Errorf("%.40q became %v (%v)", in, got, err)
		}
	}
}

func TestInventedNamesAreNotRememberedForEver(t *testing.T) {
	f := newFlattener(nil)
	for i := range 3 * maxKeys {
		if _, err := f.flatten(fmt.Appendf(nil, `{"variable_sip_h_X-%d":"1"}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.keys) > maxKeys {
		t.Errorf("%d names remembered", len(f.keys))
	}
}

func TestRowsAreReadWithAndWithoutRows(t *testing.T) {
	for _, tt := range []struct {
		in   string
		rows int
		ok   bool
	}{
		{"{\"row_count\": 0}\n", 0, true},
		{`{"row_count":2,"rows":[{"uuid":"a"},{"uuid":"b"}]}`, 2, true},
		{`{"row_count":3,"rows":[{"uuid":"a"},{"uuid":"b"}]}`, 0, false}, // cut short: half a list would end live calls
		{`{"rows":[]}`, 0, false},
		{"-ERR SQL Disabled, no data available!\n", 0, false},
		{"", 0, false},
		{"[]", 0, false},
		{`{"row_count":1,"rows":[7]}`, 0, false},
	} {
		rows, err := parseRows([]byte(tt.in))
		if (err == nil) != tt.ok || len(rows) != tt.rows {
			t.Errorf("%q: %v, %v", tt.in, rows, err)
		}
	}
}

func TestTheYoungestInboundLegsAreDumped(t *testing.T) {
	rows := []map[string]string{
		{"uuid": "aaaaaaaa", "direction": "inbound", "created_epoch": "100", "name": "sofia/external/1"},
		{"uuid": "bbbbbbbb", "direction": "outbound", "created_epoch": "400", "name": "sofia/internal/1"},
		{"uuid": "cccccccc", "direction": "inbound", "created_epoch": "300", "name": "loopback/1-b"},
		{"uuid": "dddddddd", "direction": "inbound", "created_epoch": "200", "name": "sofia/external/2"},
		{"uuid": "ee\n\napi x", "direction": "inbound", "created_epoch": "900", "name": "sofia/external/3"},
	}
	if got := strings.Join(legsToDump(rows, 10), " "); got != "aaaaaaaa dddddddd" {
		t.Error(got)
	}
	if got := strings.Join(legsToDump(rows, 1), " "); got != "dddddddd" {
		t.Error(got)
	}
}

func FuzzFrames(f *testing.F) {
	handshakes, err := filepath.Glob("testdata/traces/00-*.esl.gz")
	if err != nil || len(handshakes) == 0 {
		f.Fatalf("no handshakes: %v", err)
	}
	for _, name := range handshakes {
		file, err := os.Open(name)
		if err != nil {
			f.Fatal(err)
		}
		defer file.Close()
		z, err := gzip.NewReader(file)
		if err != nil {
			f.Fatal(err)
		}
		raw, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("Content-Length: 12\nContent-Type: text/event-json\n\n{\"a\":[1,2]}\n"))
	f.Add([]byte("Content-Length: -1\n\n"))
	f.Add([]byte("Content-Length: 18446744073709551616\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		frames := newFrameReader(bytes.NewReader(data), limit)
		for read := 0; ; {
			frame, err := frames.next()
			if err != nil {
				return
			}
			if len(frame.Body) > limit || len(frame.Headers) > maxHeaderLines {
				t.Fatalf("%d headers, %d bytes", len(frame.Headers), len(frame.Body))
			}
			if read += 1 + len(frame.Body); read > len(data) {
				t.Fatal("more came out than went in")
			}
		}
	})
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("Event-Name: MESSAGE\nto: %2B15550100%40\nContent-Length: 4\n\nbody"))
	f.Add([]byte("a: %\n\xff: %zz\r\n:\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		flat := newFlattener(nil)
		got, err := flat.plain(data)
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%q: %v, %v", data, got, err)
		}
		again, _ := flat.plain(data)
		if !maps.Equal(got, again) {
			t.Fatalf("%q: first %v, then %v", data, got, again)
		}
	})
}

// FuzzFlatten holds flatten against encoding/json: what that takes, flatten takes, and gives the same.
func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`{"Event-Name":"CHANNEL_CREATE","Unique-ID":"a","variable_x":["1","2"],"n":1,"o":{"p":[{}]},"s":"\u00e9\r\n"}`))
	f.Add([]byte(`{"a":"\ud800","b":"\\","c":""}`))
	f.Add([]byte("{\"a\":\"\xff\",\"a\":null}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := newFlattener(nil).flatten(data)
		if !json.Valid(data) {
			return // some of it is taken all the same, such as a bad \u; it must only not panic
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			if err == nil {
				t.Fatalf("%q is no object, but became %v", data, got)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %d names, want %d", data, len(got), len(want))
		}
		for name, raw := range want {
			value, ok := got[name]
			var text string
			if !ok {
				t.Fatalf("%q: %q is missing", data, name)
			}
			// Of a name that comes twice we keep the first value and encoding/json the last: only single ones compare.
			if json.Unmarshal(raw, &text) == nil && raw[0] == '"' && bytes.Count(data, []byte(":")) == len(want) && value != text {
				t.Fatalf("%q: %q is %q, want %q", data, name, value, text)
			}
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add([]byte(`{"row_count":1,"rows":[{"uuid":"aaaaaaaa","direction":"inbound"}]}`))
	f.Add([]byte(`{"row_count": 0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := parseRows(data)
		if err != nil {
			return
		}
		for _, uuid := range legsToDump(rows, 3) {
			if strings.ContainsAny(uuid, " \r\n") {
				t.Fatalf("%q would be two commands", uuid)
			}
		}
	})
}

// BenchmarkFlatten reads a HANGUP_COMPLETE of the size that FreeSWITCH sends, keeping what an outcome needs.
func BenchmarkFlatten(b *testing.B) {
	var object bytes.Buffer
	object.WriteString(`{"Event-Name":"CHANNEL_HANGUP_COMPLETE","Caller-Caller-ID-Number":"+15552340101"`)
	for i := range 240 {
		fmt.Fprintf(&object, `,"variable_some_name_%03d":"a value of some length"`, i)
	}
	object.WriteString(`,"variable_switch_r_sdp":"` + strings.Repeat(`a=rtpmap:0 PCMU/8000\r\n`, 30) + `"}`)
	for _, keep := range []bool{true, false} {
		b.Run(fmt.Sprintf("keepall=%v", keep), func(b *testing.B) {
			f := newFlattener(func(string) bool { return keep })
			b.SetBytes(int64(object.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.flatten(object.Bytes()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

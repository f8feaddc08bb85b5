package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReader(c) }

// FuzzRequest: whatever comes in by method, path and body, the answer is a reply or an error with words, never a panic,
// and a verb is only reached with arguments that are JSON.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/echo", []byte(`{"Number":"+12025550123"}`))
	f.Add("POST", "/v1/refuse", []byte(nil))
	f.Add("POST", "/v1/empty", []byte(`null`))
	f.Add("POST", "/v1/fail-late", []byte(`{}`))
	f.Add("GET", "/v1/echo", []byte(`{}`))
	f.Add("POST", "/v1/../echo", []byte(`{`))
	f.Add("POST", "/v1/panic", []byte(`[[[[[[`))
	f.Add("", "", []byte{0xff})
	srv := testServer()
	h := srv.handler()
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		r, err := readRequest(method, path, bytes.NewReader(body))
		if err == nil && (!json.Valid(r.Args) || !isVerb(r.Verb)) {
			t.Errorf("passed: %q %q", r.Verb, r.Args)
		}
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.Method, req.URL.Path = method, path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		answer, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusOK {
			var e Error
			if err := json.Unmarshal(answer, &e); err != nil || e.Message == "" {
				t.Errorf("%d without words: %q", w.Code, answer)
			}
		}
	})
}

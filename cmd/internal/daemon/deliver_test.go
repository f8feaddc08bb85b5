package daemon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestATargetThatHangsHoldsUpNoOther: one webhook does not answer, another one fails, and the third gets everything.
func TestATargetThatHangsHoldsUpNoOther(t *testing.T) {
	stuck := make(chan struct{})
	var hung, failed, good atomic.Int64
	hooks := http.NewServeMux()
	hooks.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) {
		hung.Add(1)
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	})
	hooks.HandleFunc("/fails", func(w http.ResponseWriter, _ *http.Request) {
		failed.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	})
	hooks.HandleFunc("/good", func(http.ResponseWriter, *http.Request) { good.Add(1) })
	server := httptest.NewServer(hooks)
	defer server.Close()
	defer close(stuck)
	var tables strings.Builder
	for _, name := range []string{"hangs", "fails", "good"} {
		fmt.Fprintf(&tables, "[[notify]]\nname = %q\nkind = \"webhook\"\nurl = \"%s/%s\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\nallow_private = true\nevents = [\"call.missed\", \"call.verdict\"]\n", name, server.URL, name)
	}
	w := newWorld(t, fast, tables.String())
	w.start()
	const calls = 5
	for i := range calls {
		w.played("04", fmt.Sprintf("+1557123007%d", i))
	}
	w.await("all of the good one's", func() bool { return good.Load() == 2*calls })
	w.await("the others' first", func() bool { return hung.Load() == 1 && failed.Load() >= 1 })
	if n := failed.Load(); n > calls {
		t.Errorf("a target that fails was tried %d times at once", n)
	}
}

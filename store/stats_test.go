package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"textback/store"
)

// While the file grows it is mapped anew: who asks for its size meanwhile must not look into what is no longer there.
func TestTheFiguresCanBeReadWhileTheFileGrowsAndAfterItWasClosed(t *testing.T) {
	ctx := context.Background()
	st, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "textback.db")})
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			if _, err := st.Stats(ctx); err != nil {
				done <- err
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	at := time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)
	for i := range 200 { // to some 8 MiB: it is mapped anew at each doubling
		if err := st.Enqueue(ctx, at, store.Delivery{Kind: "mail", Target: fmt.Sprint("desk ", i), Event: "alarm", Payload: []byte(strings.Repeat("x", 40<<10))}); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	s, err := st.Stats(ctx)
	if err != nil || s.Size < 8<<20 {
		t.Errorf("%d octets, %v", s.Size, err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Stats(ctx); err == nil {
		t.Error("a closed store gave figures")
	}
}

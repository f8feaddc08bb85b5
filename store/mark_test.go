package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"textback/store"
)

func TestAMarkIsTheLastMomentThatWasSetAlsoAfterAReopening(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "textback.db")
	st, err := store.Open(store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := st.Mark(ctx, "seen/hq"); err != nil || !at.IsZero() {
		t.Fatalf("a mark that was never set is %v, %v", at, err)
	}
	first := time.Date(2026, 11, 24, 20, 0, 0, 5, time.UTC)
	for _, step := range []struct {
		name string
		at   time.Time
	}{{"seen/hq", first.Add(time.Hour)}, {"seen/branch", first}, {"seen/hq", first}} { // the clock was put back
		if err := st.SetMark(ctx, step.name, step.at); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st, err = store.Open(store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, name := range []string{"seen/hq", "seen/branch"} {
		if at, err := st.Mark(ctx, name); err != nil || !at.Equal(first) {
			t.Errorf("%s is %v, %v", name, at, err)
		}
	}
}

func TestAMarkThatCouldNotBeWrittenIsNotSet(t *testing.T) {
	ctx, full := context.Background(), errors.New("no space left on device")
	var fail error
	st, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "textback.db"), BeforeCommit: func() error { return fail }})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	at := time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)
	if err := st.SetMark(ctx, "seen/hq", at); err != nil {
		t.Fatal(err)
	}
	fail = full
	if err := st.SetMark(ctx, "seen/hq", at.Add(time.Hour)); !errors.Is(err, full) {
		t.Fatalf("the error is %v", err)
	}
	if got, err := st.Mark(ctx, "seen/hq"); err != nil || !got.Equal(at) {
		t.Errorf("the mark is %v, %v", got, err)
	}
}

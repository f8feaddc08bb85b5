package store

import (
	"testing"
)

func TestATokenTellsItsTextAndNothingElseDoes(t *testing.T) {
	x, err := newTokens([]byte("key of one file"))
	if err != nil {
		t.Fatal(err)
	}
	y, _ := newTokens([]byte("key of another"))
	seen := map[string]bool{}
	others := 0
	for i := range uint64(3000) {
		for _, id := range []uint64{i + 1, 1<<32 - 1 - i, 1<<20 + i<<12} {
			token := x.of(id, uint32(i*2654435761))
			if len(token) != TokenLength || x.text(token) != id {
				t.Fatalf("%d: %q tells %d", id, token, x.text(token))
			}
			if seen[token] {
				t.Errorf("%q a second time", token)
			}
			seen[token] = true
			if y.text(token) == id {
				others++
			}
		}
	}
	if others > 1 {
		t.Errorf("another file's key reads %d of them", others)
	}
	for _, token := range []string{"", "a", "abcdefghi", "abcdefghijk", "ABCDEFGHIJ", "abcdefgh1j", "abcdefghi\n", "abcdefghi\x00", "aaaaaaaa=="} {
		if id := x.text(token); id != 0 {
			t.Errorf("%q tells text %d", token, id)
		}
	}
}

func TestATextThatGetsTheIdOfALostOneGetsAnotherToken(t *testing.T) {
	x, err := newTokens([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	if x.of(7, 1) == x.of(7, 2) {
		t.Error("the token of a text says nothing but its id")
	}
}

func FuzzTokenIsReadBack(f *testing.F) {
	f.Add("abcdefghij")
	f.Add("77777 7777")
	x, err := newTokens([]byte("key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if id := x.text(token); id >= 1<<32 || id != 0 && len(token) != TokenLength {
			t.Errorf("%q tells %d", token, id)
		}
	})
}

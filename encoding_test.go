package textback_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"textback"
)

func TestSegmentsAreCountedInSeptetsAndUTF16Units(t *testing.T) {
	for _, c := range []struct {
		name, body string
		coding     textback.Coding
		want       []int // octets of each segment's data
	}{
		{"an empty text is one segment", "", textback.GSM7, []int{0}},
		{"160 septets fit in one", strings.Repeat("a", 160), textback.GSM7, []int{160}},
		{"161 septets make 153 and 8", strings.Repeat("a", 161), textback.GSM7, []int{153, 8}},
		{"306 septets make two full parts", strings.Repeat("a", 306), textback.GSM7, []int{153, 153}},
		{"307 septets make three", strings.Repeat("a", 307), textback.GSM7, []int{153, 153, 1}},
		{"an extension character takes two", strings.Repeat("€", 80), textback.GSM7, []int{160}},
		{"81 of them make two parts of whole pairs", strings.Repeat("€", 81), textback.GSM7, []int{152, 10}},
		{"a pair is not split at the edge", strings.Repeat("a", 152) + "€" + strings.Repeat("b", 20), textback.GSM7, []int{152, 22}},
		{"70 units fit in one", strings.Repeat("ж", 70), textback.UCS2, []int{140}},
		{"71 units make 67 and 4", strings.Repeat("ж", 71), textback.UCS2, []int{134, 8}},
		{"35 emoji fit in one", strings.Repeat("😀", 35), textback.UCS2, []int{140}},
		{"a surrogate pair is not split", strings.Repeat("😀", 36), textback.UCS2, []int{132, 12}},
		{"a combined character is not split", strings.Repeat("ж", 66) + "e\u0301" + "жжж", textback.UCS2, []int{132, 10}},
		{"a family stays together", strings.Repeat("ж", 65) + "👨‍👩‍👧" + "жж", textback.UCS2, []int{130, 20}},
		{"a flag stays together", strings.Repeat("ж", 64) + "🇫🇷🇩🇪" + "ж", textback.UCS2, []int{128, 18}},
	} {
		t.Run(c.name, func(t *testing.T) {
			segments := textback.Segments(c.body)
			var got []int
			for i, s := range segments {
				got = append(got, len(s.Data))
				if s.Coding != c.coding || s.Index != i+1 || s.Total != len(segments) {
					t.Errorf("segment %d: %v %d/%d", i, s.Coding, s.Index, s.Total)
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Fatalf("got %v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestEveryGSMCharacterRoundTrips(t *testing.T) {
	const all = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§" +
		"¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
	b, ok := textback.EncodeGSM7(all)
	if !ok || textback.DecodeGSM7(b) != all {
		t.Errorf("got %q, %v", textback.DecodeGSM7(b), ok)
	}
	if n := utf8.RuneCountInString(all); n != 127+10 || len(b) != 127+20 {
		t.Errorf("%d characters in %d septets", n, len(b))
	}
	if b[0] != 0 || b[len(b)-1] != 0x65 {
		t.Errorf("@ is %#x, € ends in %#x", b[0], b[len(b)-1])
	}
}

func TestTheCharactersThatForceUCS2AreNamedOnce(t *testing.T) {
	if got := string(textback.ForcesUCS2("Ça va – “ok” ça – €")); got != "–“”ç" {
		t.Errorf("got %q", got)
	}
	if got := textback.ForcesUCS2("plain {text} €"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if textback.CodingOf("a\x1bb") != textback.UCS2 {
		t.Error("a raw escape went as a GSM character")
	}
}

func TestInLatin1OnlyWhatBothAlphabetsHaveGoesAsDefault(t *testing.T) {
	for body, want := range map[string]string{
		"Grüße @ 5": "Gr\xfc\xdfe @ 5",
		"5 €":       string(textback.EncodeUCS2("5 €")),
		"ça":        string(textback.EncodeUCS2("ça")),
		"{x}":       "{x}",
	} {
		if got := textback.SegmentsIn(body, textback.CharsetLatin1); len(got) != 1 || string(got[0].Data) != want {
			t.Errorf("%q: %+v", body, got)
		}
	}
	if got := textback.SegmentsIn(strings.Repeat("{", 81), textback.CharsetLatin1); len(got) != 2 {
		t.Errorf("81 braces, 162 septets on the air, made %d segments", len(got))
	}
}

func TestOddTextsAreDecodedWithoutHarm(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{textback.DecodeGSM7([]byte{'a', 0x1b}), "a "},
		{textback.DecodeGSM7([]byte{0x1b, 0x1b, 'a'}), " a"},
		{textback.DecodeGSM7([]byte{0x1b, 'a', 0x80}), "a\uFFFD"},
		{textback.DecodeUCS2([]byte{0, 'h', 0, 'i', 0}), "hi"},
		{textback.DecodeUCS2([]byte{0xFF, 0xFE, 'h', 0}), "h"},
		{textback.DecodeUCS2([]byte{0xFE, 0xFF, 0, 'h'}), "h"},
		{textback.DecodeUCS2([]byte{0xD8, 0x3D}), "\uFFFD"},
		{textback.DecodeUCS2(nil), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestAnyTextSurvivesItsSegments(t *testing.T) {
	alphabet := []rune("aB3 @€{}~^\\[]|\fçéñж中😀👍🏽\u0301\u200d🇫🇷\n\r\"'–")
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		body := make([]rune, rnd.IntN(700))
		for i := range body {
			body[i] = alphabet[rnd.IntN(len(alphabet))]
			if rnd.IntN(3) > 0 {
				body[i] = 'x'
			}
		}
		checkSegments(t, string(body))
	}
}

func FuzzSegments(f *testing.F) {
	for _, s := range []string{"", "hello", strings.Repeat("€", 100), strings.Repeat("😀", 100), "a\xffb", strings.Repeat("\u0301", 300)} {
		f.Add(s)
	}
	f.Fuzz(checkSegments)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x1b, 0x65, 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []string{textback.DecodeGSM7(b), textback.DecodeUCS2(b)} {
			if !utf8.ValidString(s) {
				t.Errorf("decoded to %q, which is not UTF-8", s)
			}
		}
	})
}

// checkSegments asserts what must hold for any text: nothing lost, no part too long, no pair split.
func checkSegments(t *testing.T, body string) {
	segments := textback.Segments(body)
	var text, decoded strings.Builder
	for i, s := range segments {
		text.WriteString(s.Text)
		limit, unit := 153, 1
		if s.Coding == textback.UCS2 {
			limit, unit = 67, 2
			decoded.WriteString(textback.DecodeUCS2(s.Data))
			if n := len(s.Data); n >= 2 && utf16.IsSurrogate(rune(s.Data[n-2])<<8) && s.Data[n-2] < 0xDC {
				t.Fatalf("%q: part %d ends inside a surrogate pair", body, i+1)
			}
		} else {
			decoded.WriteString(textback.DecodeGSM7(s.Data))
			if n := len(s.Data); n > 0 && s.Data[n-1] == 0x1b {
				t.Fatalf("%q: part %d ends inside an escape pair", body, i+1)
			}
		}
		if len(segments) == 1 {
			limit = map[int]int{1: 160, 2: 70}[unit]
		}
		if len(s.Data)/unit > limit {
			t.Fatalf("%q: part %d has %d octets", body, i+1, len(s.Data))
		}
	}
	if len(segments) == 255 {
		return // cut off
	}
	if text.String() != body {
		t.Fatalf("%q came out as %q", body, text.String())
	}
	if want := strings.ToValidUTF8(body, "\uFFFD"); utf8.ValidString(body) && decoded.String() != want {
		t.Fatalf("%q was decoded as %q", body, decoded.String())
	}
}

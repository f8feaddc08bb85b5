package textback

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestNumbersAreReadByTheirPlan(t *testing.T) {
	for _, c := range []struct {
		raw, region string
		want        string
		in          string
		kind        NumberKind
		zones       string
	}{
		{"+12025550100", "", "+12025550100", "US", KindFixedOrMobile, "America/New_York"},
		{"2025550100", "US", "+12025550100", "US", KindFixedOrMobile, "America/New_York"},
		{"12025550100", "US", "+12025550100", "US", KindFixedOrMobile, "America/New_York"},
		{"+1 (202) 555-0100", "US", "+12025550100", "US", KindFixedOrMobile, "America/New_York"},
		{"tel:+1-202-555-0100", "", "+12025550100", "US", KindFixedOrMobile, "America/New_York"},
		{"sip:+12025550100@sbc.example.net:5060;user=phone", "", "+12025550100", "US", KindFixedOrMobile, "America/New_York"},
		{`"Jane" <sip:2025550100;npdi=yes@sbc.example.net>`, "US", "+12025550100", "US", KindFixedOrMobile, "America/New_York"},
		{"011442071838750", "US", "+442071838750", "GB", KindFixed, "Europe/London"},
		{"442071838750", "US", "+442071838750", "GB", KindFixed, "Europe/London"}, // E.164 without +, as many trunks send it
		{"020 7183 8750", "GB", "+442071838750", "GB", KindFixed, "Europe/London"},
		{"0044 20 7183 8750", "DE", "+442071838750", "GB", KindFixed, "Europe/London"},
		{"+4915112345678", "", "+4915112345678", "DE", KindMobile, "Europe/Berlin"},
		{"015112345678", "DE", "+4915112345678", "DE", KindMobile, "Europe/Berlin"},
		{"+13065550123", "", "+13065550123", "CA", KindFixedOrMobile, "America/Regina"},
		// +1 is not a region.
		{"+18762345678", "US", "+18762345678", "JM", KindMobile, "America/Jamaica"},
		{"8762345678", "US", "+18762345678", "JM", KindMobile, "America/Jamaica"},
		{"+18092345678", "US", "+18092345678", "DO", KindFixedOrMobile, "America/Santo_Domingo"},
		{"+17872345678", "US", "+17872345678", "PR", KindFixedOrMobile, "America/Puerto_Rico"},
		// Not textable kinds.
		{"+18005551234", "", "+18005551234", "US", KindTollFree, ""},
		{"+19005551234", "", "+19005551234", "US", KindPremium, ""},
		{"+447012345678", "", "+447012345678", "GB", KindService, ""},
		{"911", "US", "911", "US", KindShort, ""},
		// Country-wide numbers of countries with several clocks have no place.
		{"+61412345678", "", "+61412345678", "AU", KindMobile, ""},
		{"+79161234567", "", "+79161234567", "RU", KindMobile, ""},
	} {
		got, err := ParseNumber(c.raw, c.region, nil, true)
		if err != nil {
			t.Errorf("%q in %q: %v", c.raw, c.region, err)
			continue
		}
		var zones []string
		for _, z := range got.Zones {
			zones = append(zones, z.String())
		}
		if got.Kind == KindService {
			zones = nil // a personal number tells no more than its country
		}
		if got.E164 != c.want || got.Region != c.in || got.Kind != c.kind || strings.Join(zones, " ") != c.zones {
			t.Errorf("%q in %q: %s %s %s %v, want %s %s %s %s", c.raw, c.region, got.E164, got.Region, got.Kind, zones,
				c.want, c.in, c.kind, c.zones)
		}
	}
}

func TestANumberOfSeveralClocksHasAllOfThem(t *testing.T) {
	n, err := ParseNumber("+12085550123", "", nil, true) // Idaho
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Zones) < 2 || n.CountryWide {
		t.Errorf("Idaho has %v, country-wide %t", n.Zones, n.CountryWide)
	}
	au, err := ParseNumber("+61412345678", "", nil, true)
	if err != nil || !au.CountryWide {
		t.Errorf("an Australian mobile: country-wide %t, %v", au.CountryWide, err)
	}
}

func TestWithoutValidationAnyNumberIsTaken(t *testing.T) {
	for _, c := range []struct{ raw, region, want string }{
		{"+15552340101", "US", "+15552340101"},
		{"5552340101", "US", "+15552340101"},
		{"15552340102", "US", "+15552340102"},
		{"+15551230401", "US", "+15551230401"},
		{"+15550100", "US", "+15550100"},
		{"15550100", "US", "15550100"},
		{"5550100", "US", "5550100"},
		{"100", "US", "100"},
		{"5552340101", "", "5552340101"},
		{"+12025550100", "", "+12025550100"},
	} {
		got, err := ParseNumber(c.raw, c.region, nil, false)
		if err != nil || got.E164 != c.want {
			t.Errorf("%q in %q is %q, %v; want %q", c.raw, c.region, got.E164, err, c.want)
		}
		if _, err := ParseNumber(c.raw, c.region, nil, true); err == nil && c.raw != "+12025550100" {
			t.Errorf("%q exists in no plan and was taken with validation", c.raw)
		}
	}
}

func TestWordsAndRubbishAreNoNumbers(t *testing.T) {
	for _, raw := range []string{"", " ", "anonymous", "Anonymous", "Unavailable", "Restricted", "unknown", "private", "+", "12",
		"*98", "sip:anonymous@anonymous.invalid", "<sip:@host>", "1-800-FLOWERS", "+1202555010０", "+1+2025550100", "s",
		"12345678901234567890", strings.Repeat("9", 10000), "'; DROP TABLE calls; --", "+1202555\x000100", "\u202e+12025550100"} {
		for _, validate := range []bool{true, false} {
			n, err := ParseNumber(raw, "US", nil, validate)
			if !errors.Is(err, ErrNoNumber) {
				t.Errorf("%.40q with validation %t is %+v, %v", raw, validate, n, err)
			}
		}
	}
}

func TestRewritesComeFirst(t *testing.T) {
	rewrites := []Rewrite{{regexp.MustCompile(`^011`), "+"}, {regexp.MustCompile(`^9(\d{10})$`), "+1$1"}, {regexp.MustCompile(`^00`), "+"}}
	for raw, want := range map[string]string{
		"011442071838750": "+442071838750", "92025550100": "+12025550100", "00442071838750": "+442071838750",
		"sip:92025550100@pbx": "+12025550100",
	} {
		if got, err := ParseNumber(raw, "US", rewrites, true); err != nil || got.E164 != want {
			t.Errorf("%s is %s, %v; want %s", raw, got.E164, err, want)
		}
	}
}

func TestBlocksAndShortForms(t *testing.T) {
	if got := Block("+12025550100"); got != "+1202555" {
		t.Errorf("block %q", got)
	}
	if got := Short("+12025550058"); got != "…058" {
		t.Errorf("short form %q", got)
	}
	for _, s := range []string{"", "1", "911"} {
		if Block(s) != "" || Short(s) != "…" {
			t.Errorf("%q: block %q, short form %q", s, Block(s), Short(s))
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"+12025550100", "2025550100", "anonymous", "sip:+1@x", "<sip:1;a=b@c>", "011442071838750", "911",
		"+80012345678", "+999999999", "00", "tel:+1-2", "0000000000000"} {
		f.Add(s, "US", true)
		f.Add(s, "", false)
		f.Add(s, "GB", true)
	}
	f.Fuzz(func(t *testing.T, raw, region string, validate bool) {
		n, err := ParseNumber(raw, region, nil, validate)
		if err != nil {
			if !errors.Is(err, ErrNoNumber) || n.E164 != "" {
				t.Fatalf("%q: %+v, %v", raw, n, err)
			}
			return
		}
		digits := strings.TrimPrefix(n.E164, "+")
		if len(digits) < 3 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" || n.Kind == 0 || n.Region == "" {
			t.Fatalf("%q gives %+v", raw, n)
		}
		if n.Kind == KindShort || !validate {
			return
		}
		if again, err := ParseNumber(n.E164, "", nil, true); err != nil || again.E164 != n.E164 {
			t.Fatalf("%q gives %s, which gives %s, %v", raw, n.E164, again.E164, err)
		}
	})
}

func BenchmarkParseNumber(b *testing.B) {
	for b.Loop() {
		if _, err := ParseNumber("+12025550100", "US", nil, true); err != nil {
			b.Fatal(err)
		}
	}
}

// TestANumberHasAKindJustIfItIsValid: the plan is asked for the kind alone.
func TestANumberHasAKindJustIfItIsValid(t *testing.T) {
	valid := 0
	for i := range 4000 {
		country := []string{"1", "44", "49", "7", "39", "61", "800", "881", "590", "33", "999", "247"}[i%12]
		raw := fmt.Sprint("+", country, i*7919%100, i*104729%10_000_000, i%1000)
		raw = raw[:min(len(raw), 6+i%9)]
		n, err := phonenumbers.Parse(raw, "US")
		if err != nil {
			continue
		}
		is := phonenumbers.IsValidNumber(n)
		if kind := phonenumbers.GetNumberType(n); is != (kind != phonenumbers.UNKNOWN) {
			t.Errorf("%s: valid %t, kind %d", raw, is, kind)
		}
		if is {
			valid++
		}
	}
	if valid < 100 {
		t.Errorf("only %d valid numbers were tried", valid)
	}
}

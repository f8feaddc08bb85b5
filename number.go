package textback

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// UnknownRegion is the region of a number that no numbering plan places (ISO 3166 user-assigned code, as CLDR uses it).
const UnknownRegion = "ZZ"

// ErrNoNumber is what [ParseNumber] wraps when there is no number that a text could be sent to: the field was empty, held
// a word such as "anonymous", or digits that no numbering plan knows.
var ErrNoNumber = errors.New("no number")

// Rewrite is one substitution on a number as a PBX shows it, before it is read ([[pbx]] rewrite).
type Rewrite struct {
	Match *regexp.Regexp
	With  string // may refer to groups, as in [regexp.Regexp.ReplaceAllString]
}

// NumberKind is what a numbering plan says about a number.
type NumberKind uint8

const (
	_ NumberKind = iota
	// KindUnknown: the plan tells nothing, or the number was taken without a look at the plan.
	KindUnknown
	KindMobile
	KindFixed
	// KindFixedOrMobile: the plan does not keep the two apart, as in North America.
	KindFixedOrMobile
	KindVoIP
	KindPremium
	KindTollFree
	// KindShared: the caller and the called share the cost.
	KindShared
	// KindService: company-wide, paging, personal and voicemail access numbers.
	KindService
	// KindShort: short codes and emergency numbers; E164 then holds the bare digits.
	KindShort
)

var numberKindWords = [...]string{KindUnknown: "unknown", KindMobile: "mobile", KindFixed: "fixed",
	KindFixedOrMobile: "fixed-or-mobile", KindVoIP: "voip", KindPremium: "premium", KindTollFree: "toll-free",
	KindShared: "shared-cost", KindService: "service", KindShort: "short"}

// String is the kind's word.
func (k NumberKind) String() string {
	if k == 0 || int(k) >= len(numberKindWords) {
		return fmt.Sprintf("NumberKind(%d)", uint8(k))
	}
	return numberKindWords[k]
}

// Textable tells whether a text to such a number can reach a person's phone at the ordinary price.
func (k NumberKind) Textable() bool {
	switch k {
	case KindUnknown, KindMobile, KindFixedOrMobile, KindVoIP:
		return true
	case KindFixed, KindPremium, KindTollFree, KindShared, KindService, KindShort:
		return false
	default:
		return false
	}
}

// Number is a telephone number, read by its numbering plan.
type Number struct {
	E164   string // "+12025550100"; for KindShort, and where validation is off and the plan cannot tell, as it came
	Region string // ISO 3166-1 alpha-2. "US" is not all of +1: "JM", "DO", "PR", "CA" are regions of their own
	Kind   NumberKind
	// Zones are the time zones in which the number's owner may be. None if the place is unknown or the number is good for
	// a whole country with several clocks (CountryWide): the business's time zone is the best guess then.
	Zones       []*time.Location
	CountryWide bool
}

// String is the number itself.
func (n Number) String() string { return n.E164 }

const (
	longestRaw = 80 // of a field that may hold a number; longer ones are hostile
	fewDigits  = 3
	mostDigits = 15 // ITU-T E.164, 6.1
)

// ParseNumber reads a number as a PBX shows it. region (ISO 3166-1 alpha-2, may be "") tells how a number without + is
// read, rewrites are applied first, in order. SIP and tel URIs are reduced to their user part.
//
// With validate the number must exist in its numbering plan (or be a short number of the region). Without it, any 3 to
// 15 digits are taken: national forms get the region's country code where the plan's lengths allow it, everything else
// stays as it is, and a later look at kind and region is for the caller to skip.
//
// The error wraps [ErrNoNumber] and never repeats the input, which is hostile.
func ParseNumber(raw, region string, rewrites []Rewrite, validate bool) (Number, error) {
	s, err := numberField(raw, rewrites)
	if err != nil {
		return Number{}, err
	}
	n, read, ok := inPlan(s, region)
	if ok {
		return n, nil
	}
	digits := strings.TrimPrefix(s, "+")
	if !validate {
		if n = takenAsIs(s, read); len(strings.TrimPrefix(n.E164, "+")) > mostDigits {
			return Number{}, fmt.Errorf("%w: it has %d digits", ErrNoNumber, len(digits))
		}
		return n, nil
	}
	if s == digits && phonenumbers.GetCountryCodeForRegion(region) != 0 && isShort(digits, region) {
		return Number{E164: digits, Region: region, Kind: KindShort}, nil
	}
	if s == digits && region == "" {
		return Number{}, fmt.Errorf("%w: it has no + and no region says how to read it", ErrNoNumber)
	}
	return Number{}, fmt.Errorf("%w: its numbering plan has no such number", ErrNoNumber)
}

// numberField reduces what a PBX shows to digits with an optional +.
func numberField(raw string, rewrites []Rewrite) (string, error) {
	if len(raw) > longestRaw {
		return "", fmt.Errorf("%w: the field is %d bytes long", ErrNoNumber, len(raw))
	}
	s := uriUser(strings.TrimSpace(raw))
	for _, r := range rewrites {
		s = r.Match.ReplaceAllString(s, r.With)
		if len(s) > longestRaw {
			return "", fmt.Errorf("%w: a rewrite made it %d bytes long", ErrNoNumber, len(s))
		}
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			b.WriteByte(c)
		case c == '+' && b.Len() == 0:
			b.WriteByte(c)
		case strings.IndexByte(" -.()/", c) >= 0:
		default:
			// Words ("anonymous", "Unavailable", "Restricted"), letters on a dial pad, star codes, anything clever.
			return "", fmt.Errorf("%w: the field holds something else", ErrNoNumber)
		}
	}
	out := b.String()
	switch n := len(strings.TrimPrefix(out, "+")); {
	case n == 0:
		return "", fmt.Errorf("%w: the field is empty", ErrNoNumber)
	case n < fewDigits || n > mostDigits+3: // + up to three digits of an international prefix (011, 00)
		return "", fmt.Errorf("%w: it has %d digits", ErrNoNumber, n)
	}
	return out, nil
}

// uriUser cuts the user part out of a SIP or tel URI (RFC 3261, 19.1.1; RFC 3966) with or without angle brackets, and
// drops parameters such as ;npdi and ;rn (RFC 4694).
func uriUser(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	for _, scheme := range []string{"sip:", "sips:", "tel:"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s = s[len(scheme):]
			break
		}
	}
	s, _, _ = strings.Cut(s, "@")
	s, _, _ = strings.Cut(s, ";")
	return strings.TrimSpace(s)
}

// inPlan reads a number that its numbering plan knows. read is how the region reads it, known or not; nil if it cannot.
func inPlan(s, region string) (known Number, read *phonenumbers.PhoneNumber, ok bool) {
	if n, err := phonenumbers.Parse(s, region); err == nil {
		if kind := phonenumbers.GetNumberType(n); kind != phonenumbers.UNKNOWN {
			return describe(n, kind), n, true
		}
		read = n
	}
	// Many trunks send E.164 without the +. Only what cannot be a number of the region is read so.
	if s[0] != '+' && s[0] != '0' && len(s) >= 10 {
		if n, err := phonenumbers.Parse("+"+s, ""); err == nil {
			if kind := phonenumbers.GetNumberType(n); kind != phonenumbers.UNKNOWN {
				return describe(n, kind), n, true
			}
		}
	}
	return Number{}, read, false
}

// takenAsIs is a number that the plan does not know, for installations with private plans and test numbers.
func takenAsIs(s string, read *phonenumbers.PhoneNumber) Number {
	if read != nil && phonenumbers.IsPossibleNumberWithReason(read) == phonenumbers.IS_POSSIBLE {
		out := describe(read, phonenumbers.UNKNOWN)
		if s[0] == '+' {
			out.E164 = s // a whole number that no plan knows: a zero after the country code is not ours to drop
		}
		return out
	}
	return Number{E164: s, Region: UnknownRegion, Kind: KindUnknown}
}

func isShort(digits, region string) bool {
	if phonenumbers.IsEmergencyNumber(digits, region) {
		return true
	}
	n, err := phonenumbers.Parse(digits, region)
	return err == nil && phonenumbers.IsValidShortNumberForRegion(n, region)
}

// describe tells what the plan knows of a number. The library looks region and kind up by trying the patterns of a dozen kinds, up
// to 25 regions: it is asked for the kind once, which is UNKNOWN just where the number is not valid.
func describe(n *phonenumbers.PhoneNumber, kind phonenumbers.PhoneNumberType) Number {
	out := Number{E164: phonenumbers.Format(n, phonenumbers.E164), Region: UnknownRegion, Kind: kindOf(kind)}
	if kind != phonenumbers.UNKNOWN {
		if r := phonenumbers.GetRegionCodeForNumber(n); len(r) == 2 {
			out.Region = r
		}
	}
	out.Zones, out.CountryWide = zonesOf(out.E164, int(n.GetCountryCode()), kind)
	return out
}

func kindOf(t phonenumbers.PhoneNumberType) NumberKind {
	switch t {
	case phonenumbers.MOBILE:
		return KindMobile
	case phonenumbers.FIXED_LINE:
		return KindFixed
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return KindFixedOrMobile
	case phonenumbers.VOIP:
		return KindVoIP
	case phonenumbers.PREMIUM_RATE:
		return KindPremium
	case phonenumbers.TOLL_FREE:
		return KindTollFree
	case phonenumbers.SHARED_COST:
		return KindShared
	case phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER, phonenumbers.UAN, phonenumbers.VOICEMAIL:
		return KindService
	default:
		return KindUnknown
	}
}

// zonesOf looks the time zones of a number up. A number that is not bound to an area stands for its whole country; if that
// has one clock, it is the answer, else there is none.
func zonesOf(e164 string, country int, kind phonenumbers.PhoneNumberType) (zones []*time.Location, countryWide bool) {
	whole, err := phonenumbers.GetTimezonesForPrefix(fmt.Sprint(country))
	if err != nil {
		return nil, false
	}
	names := whole
	if boundToArea(country, kind) {
		if names, err = phonenumbers.GetTimezonesForPrefix(e164); err != nil {
			return nil, false
		}
	}
	countryWide = slices.Equal(names, whole)
	for _, name := range names {
		loc, err := zone(name)
		if err != nil || name == phonenumbers.UNKNOWN_TIMEZONE {
			continue
		}
		if slices.ContainsFunc(zones, func(z *time.Location) bool { return sameClock(z, loc) }) {
			continue
		}
		if countryWide && len(zones) > 0 {
			return nil, true
		}
		zones = append(zones, loc)
	}
	return zones, false
}

// planZones load the time zones of all numbering plans, by name and each once: [time.LoadLocation] reads and parses a file each time.
var planZones = sync.OnceValue(func() map[string]func() (*time.Location, error) {
	all := make(map[string]func() (*time.Location, error))
	for country := range phonenumbers.GetSupportedCallingCodes() {
		names, err := phonenumbers.GetTimezonesForPrefix(strconv.Itoa(country))
		if err != nil {
			continue
		}
		for _, name := range names {
			all[name] = sync.OnceValues(func() (*time.Location, error) { return time.LoadLocation(name) })
		}
	}
	return all
})

func zone(name string) (*time.Location, error) {
	if load, ok := planZones()[name]; ok {
		return load()
	}
	return time.LoadLocation(name)
}

// boundToArea tells whether such numbers of the country carry an area code: fixed lines do, mobiles only in some
// countries (libphonenumber's GEO_MOBILE_COUNTRIES), and of an unknown kind the table itself must tell.
func boundToArea(country int, kind phonenumbers.PhoneNumberType) bool {
	if country == 1 {
		return true // every number of North America has an area code; the non-geographic ones are in the table as such
	}
	switch kind {
	case phonenumbers.FIXED_LINE, phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.UNKNOWN:
		return true
	case phonenumbers.MOBILE:
		return slices.Contains([]int{52, 54, 55, 62, 86}, country)
	default:
		return false
	}
}

// sameClock tells whether two zones show the same time all through a year, like Europe/London and Europe/Jersey.
func sameClock(a, b *time.Location) bool {
	if a.String() == b.String() {
		return true
	}
	for week := range 53 {
		t := time.Date(2026, 1, 1+7*week, 12, 0, 0, 0, time.UTC)
		_, x := t.In(a).Zone()
		_, y := t.In(b).Zone()
		if x != y {
			return false
		}
	}
	return true
}

// Block is the number block that limits are counted by: all but the last four digits. Number ranges are rented in blocks
// of this size, so a fraud on one shows here.
func Block(e164 string) string {
	if len(e164) <= 4 {
		return ""
	}
	return e164[:len(e164)-4]
}

// Short is a number as logs show it: the last three digits.
func Short(e164 string) string {
	if len(e164) <= 3 {
		return "…"
	}
	return "…" + e164[len(e164)-3:]
}

package rules

import (
	"strings"
	"testing"
	"unicode"
)

func TestOnlyAPersonsNameGivesAName(t *testing.T) {
	for in, want := range map[string]string{
		// LAST, FIRST.
		"SMITH, JOHN": "John", "Smith, John": "John", "smith, john": "John", "SMITH,JOHN": "John", "SMITH , JOHN": "John",
		"SMITH, JOHN Q": "John", "SMITH, JOHN Q.": "John", "SMITH, MARY ANN": "Mary", "SMITH, JOHN JR": "John", "SMITH JR, JOHN": "John",
		"SMITH, DR JANE": "Jane", "SMITH, MRS. JANE": "Jane", "O'BRIEN, SEAN": "Sean", "O’NEIL, MAEVE": "Maeve",
		"GARCIA LOPEZ, MARIA": "Maria", "DE LA CRUZ, ANA": "Ana", "VAN DER BERG, PIET": "Piet", "DUPONT, JEAN-PIERRE": "Jean-Pierre",
		"SMITH-JONES, ANNE": "Anne", "MÜLLER, JÜRGEN": "Jürgen", "Núñez, Íñigo": "Íñigo", "Jackson, DeShawn": "DeShawn",
		"JOHNSON, ROBERT": "Robert", "LEE, JO": "Jo", `"SMITH, JOHN"`: "John", `\"SMITH, JOHN\"`: "John", "ИВАНОВ, ИВАН": "Иван",
		"WASHINGTON, GEORGE": "George", "D'AMICO, ROSA": "Rosa", "SMITH, DON": "Don", "O'SULLIVAN, SIOBHAN": "Siobhan", "NGUYEN, ANH": "Anh",
		// Without a comma the order is unknown.
		"JOHN SMITH": "", "SMITH JOHN": "", "JOHN": "", "Jane": "", "JANE DOE": "",
		// Placeholders.
		"": "", " ": "", "WIRELESS CALLER": "", "UNKNOWN": "", "UNKNOWN NAME": "", "UNAVAILABLE": "", "Anonymous": "", "PRIVATE": "", "RESTRICTED": "",
		"CELL PHONE": "", "CELL PHONE   NY": "", "OUT OF AREA": "", "TOLL FREE CALL": "", "NOT PROVIDED": "", "asterisk": "", "Guest": "",
		"CALLER, WIRELESS": "", "NAME, UNKNOWN": "", "UNAVAILABLE, NAME": "", "Customer, Valued": "", "NULL, NULL": "", "TEST, TEST": "", "N/A, N/A": "",
		"INMATE, CALL": "", "VERIZON, WIRELESS": "", "GOOGLE, VOICE": "", "PAY, PHONE": "",
		// Numbers.
		"12025550123": "", "+1 202-555-0123": "", "V12345678901234": "", "SMITH, J0HN": "", "SMITH, JOHN 2": "", "LINE 3, SALES": "", "V20255501231234, X": "",
		// Places.
		"NEW YORK, NY": "", "BROOKLYN     NY": "", "BROOKLYN, NY": "", "TORONTO, ON": "", "SAN JOSE, CALIF": "", "AUSTIN, TEXAS": "", "LONDON, UK": "",
		"WASHINGTON, DC": "", "PARIS, FRANCE": "", "CHARLESTON, SOUTH CAROLINA": "", "SMITH, VIRGINIA": "", "MONTREAL, QC": "", "ALBANY, NEW YORK": "",
		// Companies.
		"ACME PLUMBING, INC": "", "ACME, LLC": "", "SMITH & SONS, JOHN": "", "SMITH PLUMBING, JOHN": "", "BANK, CHASE": "", "SMITH, JOHN DENTAL": "",
		"CITY OF, BOSTON": "", "STATE FARM, JOE": "", "MEMORIAL HOSPITAL, ST": "", "JONES, LAW OFFICE": "", "CARE, URGENT": "", "SMITH, JOHN AND MARY": "",
		"SMITH, JOHN OR MARY": "", "SMITH, JOHN & MARY": "",
		// What is not a word.
		"SMITH, J": "", "SMITH, J R": "", "SMITH, JJJJ": "", "SMITH, XZKW": "", "SMITH,": "", ", JOHN": "", ",": "", "SMITH, DR": "", "SMITH, MR": "", "SMITH, JOHN, MD": "",
		"SMITH, -JOHN-": "", "SMITH, '": "", "SMITH, .": "", "A B C D E, JOHN": "", "SMITH, JOHN PAUL GEORGE RINGO": "",
		// The network cuts at fifteen characters.
		"SMITH, CHRISTOP": "", "JOHNSON, CHRIST": "", "WILLIAMS, STEPH": "",
		// Hostile.
		"SMITH, JOHN\x00": "", "SMITH, JO\nHN": "", "SMITH, \u202enhoJ": "", "SMITH, JO\u200bHN": "", "SMITH, http://evil.example": "", "evil.example, VISIT": "",
		"SMITH, www.evil.example": "", "SMITH, evil.com": "", "SMITH, {{.Business}}": "", "SMITH, <b>JOHN</b>": "", "SMITH, '; DROP TABLE": "", "SMITH, $(reboot)": "",
		"SMITH, JOHN😀": "", "SMITH, J̷o̷h̷n̷": "", "SMITH, Jоhn": "" /* a Cyrillic o */, "SMITH, JOHN\xff": "", "SMITH, \uff2a\uff2f\uff28\uff2e%s": "", "SMITH, @everyone": "",
		"SPAM?, JOHN": "", "SCAM LIKELY": "", "SPAM, LIKELY": "", "SMITH, " + strings.Repeat("JOHN", 3000): "",
	} {
		if got := CleanName(in); got != want {
			t.Errorf("%.40q gives %q, want %q", in, got, want)
		}
	}
}

func TestSpamLabels(t *testing.T) {
	for name, want := range map[string]string{
		"SPAM?": "SPAM", "Spam Likely": "SPAM", "SCAM LIKELY": "SCAM", "TELEMARKETER": "TELEMARKETER", "FRAUD RISK": "FRAUD", "[SPAM] Joe": "SPAM",
		"*SPAM* 202": "SPAM", "Robocall": "ROBOCALL", "ROBO CALLER": "ROBO CALLER", "Potential Spam": "SPAM", "SPAM:JOE": "SPAM", "V_SPAM": "SPAM", "scam_likely": "SCAM",
		"Nuisance Likely": "NUISANCE LIKELY", "ＳＰＡＭ": "SPAM", "SPAM\u200b?": "SPAM", "SpamRisk": "SPAMRISK", "High Risk": "HIGH RISK",
		"SPAMPINATO, ROSA": "", "SMITH, JOHN": "", "": "", "Scamander, Newt": "", "JOE": "", "FRAUDE MARKUS": "", "Riskin": "",
	} {
		if got, ok := SpamLabel(name); got != want || ok != (want != "") {
			t.Errorf("%q: %q %t, want %q", name, got, ok, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"SMITH, JOHN", "O’NEIL, MAEVE", "DUPONT, JEAN-PIERRE", "WIRELESS CALLER", "V12345678901234", "SMITH, \u202enhoJ",
		"SMITH, {{.Name}}", "ИВАНОВ, ИВАН", "SMITH, evil.com", "ß, ß", "ﬁ, ﬁona", "SMITH, İŞIL", "山田, 太郎"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := CleanName(s)
		SpamLabel(s)
		if len([]rune(name)) > 3*longestFirstName {
			t.Fatalf("%q gives the long name %q", s, name)
		}
		for _, r := range name {
			if !unicode.IsLetter(r) && !strings.ContainsRune("-'’", r) {
				t.Fatalf("%q gives %q with %U", s, name, r)
			}
		}
	})
}

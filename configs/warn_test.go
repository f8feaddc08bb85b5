package configs

import (
	"strings"
	"testing"
)

func TestWhatIsPossibleButSeldomMeantIsWarnedOf(t *testing.T) {
	min := string(Minimal)
	for name, tc := range map[string]struct{ find, replace, want string }{
		"a short window":      {"\nshadow = true", "\n" + `window = "1m"`, "again and again"},
		"any country":         {"\nshadow = true", "\n" + `regions = []`, "any country"},
		"a long delay":        {"\nshadow = true", "\n" + `delay = "1h"`, "no immediate answer"},
		"no limit":            {"\nshadow = true", "\n" + `per_hour = 0`, "no limit at all"},
		"a day below an hour": {"\nshadow = true", "\n" + `per_day = 10`, "the day's limit always comes first"},
		"texts at night":      {"\nshadow = true", "\n" + `quiet_action = "send"`, "texts people at night"},
		"ARI in clear": {`kind = "asterisk"`,
			"kind = \"asterisk\"\nurl = \"http://pbx.example.net:8088/ari\"", "cross the network unencrypted"},
		"SMPP in clear":         {"", "", "all texts cross the network unencrypted"},
		"metrics for everybody": {"[policy]", "[metrics]\nlisten = \":9641\"\n[policy]", "from other machines"},
		"HTTP without TLS":      {"[policy]", "[http]\nlisten = \"0.0.0.0:9642\"\n[policy]", "without TLS"},
		"two listeners at once": {"[policy]", "[http]\nlisten = \"127.0.0.1:9641\"\n[policy]",
			"is that of [metrics] as well"},
		"a page that nobody gets": {"[policy]", "[http]\npage_password_file = \"page.password\"\n[policy]", "the web page is off"},
		"a rule never reached": {"[policy]",
			"[[rule]]\nsend = \"open\"\n[[rule]]\nname = \"late\"\nsend = false\n[policy]", `rule "late": is never reached`},
		"a business without line": {"[[line]]",
			"[business.other]\nname = \"Other\"\ntimezone = \"UTC\"\nregion = \"US\"\n[[line]]", "has no line"},
		"a shared sender": {"[policy]", "[business.other]\nname = \"Other\"\ntimezone = \"UTC\"\nregion = \"US\"\n" +
			"[[line]]\nnumber = \"+12025550101\"\nbusiness = \"other\"\nfrom = \"+12025550100\"\n[policy]", "STOP to it counts for all"},
		"forgetting too soon": {"[policy]", "[retention]\nthreads = \"24h\"\n[policy]", "shorter than a month"},
		"a text in two": {"[policy]",
			"[template]\nopen = \"{{.Business}}: " + strings.Repeat("sorry ",
				30) + "Reply STOP\"\n[policy]", "2 segments"},
		"a curly quote": {"[policy]",
			"[template]\nopen = \"{{.Business}}: we’re sorry. Reply STOP\"\n[policy]", "U+2019"},
		"a rule that lists none": {"[policy]", "[[rule]]\nmatch = { line = [] }\nsend = \"open\"\n[policy]",
			"matches everything"},
	} {
		c := mustParse(t, strings.Replace(min, tc.find, tc.replace, 1))
		if got := warnings(c); !strings.Contains(got, tc.want) {
			t.Errorf("%s: no %q in\n%s", name, tc.want, got)
		}
	}
}

func TestTheContractFileIsWarnedOfOnceForItsClearLink(t *testing.T) {
	c := mustParse(t, readFile(t, "testdata/contract.toml"))
	if len(c.Warnings) != 1 || c.Warnings[0].Line != 39 {
		t.Errorf("warnings:\n%s", warnings(c))
	}
}

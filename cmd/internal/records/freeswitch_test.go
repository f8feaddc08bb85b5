package records

import (
	"testing"
	"time"

	"textback/configs"
)

func freeswitch(kind string) Source {
	return Source{Records: configs.Records{PBX: "branch", Kind: kind, Timezone: time.UTC}, Inbound: []string{"public"}}
}

// The records under testdata/freeswitch-1.10 were made from the variables and profiles in the recorded CHANNEL_CREATE and
// CHANNEL_HANGUP_COMPLETE events of a real FreeSWITCH, in the form in which mod_json_cdr and mod_cdr_csv write them.
func TestFreeSWITCHsJSONNeverTakesAnAnsweredCallForMissed(t *testing.T) {
	r := readString(t, freeswitch(JSONCDR), unpack(t, "freeswitch-1.10", "json-cdr.jsonl.gz"))
	if r.Skipped > 0 {
		t.Errorf("%d of %d records could not be read", r.Skipped, r.Rows)
	}
	check(t, r.Calls, readTruth(t, "freeswitch-1.10"))
}

func TestFreeSWITCHsCSVNeverTakesAnAnsweredCallForMissed(t *testing.T) {
	r := readString(t, freeswitch(FreeSWITCHCSV), unpack(t, "freeswitch-1.10", "cdr.csv.gz"))
	if r.Skipped > 0 {
		t.Errorf("%d of %d records could not be read", r.Skipped, r.Rows)
	}
	check(t, r.Calls, readTruth(t, "freeswitch-1.10"))
}

package records

import "testing"

// The files under testdata/asterisk-22 were written by a real Asterisk 22 whose callers and phones were sipp scripts.
func TestARealAsterisksCDRNeverTakesAnAnsweredCallForMissed(t *testing.T) {
	r := readString(t, asterisk(CDRCSV), unpack(t, "asterisk-22", "cdr.csv.gz"))
	if r.Skipped > 0 {
		t.Errorf("%d of %d records could not be read", r.Skipped, r.Rows)
	}
	check(t, r.Calls, readTruth(t, "asterisk-22"))
}

func TestARealAsterisksCELNeverTakesAnAnsweredCallForMissed(t *testing.T) {
	r := readString(t, asterisk(CELCSV), unpack(t, "asterisk-22", "cel.csv.gz"))
	if r.Skipped > 0 {
		t.Errorf("%d of %d records could not be read", r.Skipped, r.Rows)
	}
	check(t, r.Calls, readTruth(t, "asterisk-22"))
}

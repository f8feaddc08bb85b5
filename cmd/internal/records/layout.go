package records

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// form is what a row tells of.
type form uint8

const (
	_       form = iota
	formCDR      // Asterisk: a caller and one that was dialled
	formCEL      // Asterisk: an event of a channel
	formLeg      // FreeSWITCH: a leg
)

// layout says which column holds what: numbers in files, names in databases.
type layout struct {
	form    form
	columns map[string]string
	width   int // columns of a record, 0 = any
}

// Default columns of files, from 0. Sources: Asterisk cdr_csv.c build_csv_record; cel_custom.conf.sample;
// FreeSWITCH cdr_csv.conf.xml, template "example".
var (
	cdrColumns = map[string]string{"caller": "1", "dialled": "2", "context": "3", "caller_name": "4", "channel": "5",
		"peer": "6", "last_app": "7", "start": "9", "answer": "10", "end": "11", "duration": "12", "billsec": "13",
		"disposition": "14", "id": "16"}
	celColumns = map[string]string{"event": "0", "start": "1", "caller_name": "2", "caller": "3", "dialled": "7",
		"context": "8", "channel": "9", "last_app": "10", "id": "14", "linked_id": "15", "peer": "16", "extra": "19"}
	freeswitchColumns = map[string]string{"caller_name": "0", "caller": "1", "dialled": "2", "context": "3", "start": "4",
		"answer": "5", "end": "6", "duration": "7", "billsec": "8", "cause": "9", "id": "10", "bridge": "11"}
)

// freeswitchWidth are the columns of the template "example".
const freeswitchWidth = 15

// Default columns of databases: FreePBX's cdr and cel, FusionPBX's v_xml_cdr, mod_cdr_pg_csv.
var (
	mysqlCDR = map[string]string{"caller": "src", "dialled": "dst", "context": "dcontext", "caller_name": "clid",
		"channel": "channel", "peer": "dstchannel", "last_app": "lastapp", "start": "calldate", "duration": "duration",
		"billsec": "billsec", "disposition": "disposition", "id": "uniqueid", "linked_id": "linkedid", "did": "did"}
	mysqlCEL = map[string]string{"event": "eventtype", "start": "eventtime", "caller_name": "cid_name", "caller": "cid_num",
		"dialled": "exten", "context": "context", "channel": "channame", "last_app": "appname", "id": "uniqueid",
		"linked_id": "linkedid", "peer": "peer", "extra": "extra"}
	fusionpbxColumns = map[string]string{"id": "xml_cdr_uuid", "direction": "direction", "leg": "leg", "context": "context",
		"caller_name": "caller_id_name", "caller": "caller_id_number", "did": "caller_destination",
		"dialled": "destination_number", "start": "start_epoch", "answer": "answer_epoch", "end": "end_epoch",
		"duration": "duration", "billsec": "billsec", "cause": "hangup_cause", "disposition": "sip_hangup_disposition",
		"last_app": "last_app", "last_data": "last_arg", "bridge": "bridge_uuid", "voicemail": "voicemail_message", "queue_cause": "cc_cause",
		"queue_cancel": "cc_cancel_reason", "queue_answered": "cc_queue_answered_epoch", "conference": "conference_uuid"}
	postgresCDR = map[string]string{"id": "uuid", "caller_name": "caller_id_name", "caller": "caller_id_number",
		"dialled": "destination_number", "context": "context", "start": "start_stamp", "answer": "answer_stamp",
		"end": "end_stamp", "duration": "duration", "billsec": "billsec", "cause": "hangup_cause", "bridge": "bleg_uuid",
		"disposition": "sip_hangup_disposition"}
)

// layoutOf is the default layout of a source with what its configuration says otherwise.
func layoutOf(s Source) layout {
	var l layout
	switch {
	case s.Kind == CDRCSV:
		l = layout{form: formCDR, columns: cdrColumns}
	case s.Kind == CELCSV:
		l = layout{form: formCEL, columns: celColumns}
	case s.Kind == MySQL && s.Format == "cel":
		l = layout{form: formCEL, columns: mysqlCEL}
	case s.Kind == MySQL:
		l = layout{form: formCDR, columns: mysqlCDR}
	case s.Kind == Postgres && s.Format == "cdr":
		l = layout{form: formLeg, columns: postgresCDR}
	case s.Kind == Postgres:
		l = layout{form: formLeg, columns: fusionpbxColumns}
	case s.Kind == FreeSWITCHCSV && len(s.Columns) == 0:
		l = layout{form: formLeg, columns: freeswitchColumns, width: freeswitchWidth}
	default:
		l = layout{form: formLeg, columns: freeswitchColumns}
	}
	if len(s.Columns) > 0 {
		l.columns = maps.Clone(l.columns)
		maps.Copy(l.columns, s.Columns)
	}
	return l
}

// getter reads a row of a file by our words.
func (l layout) getter(row []string) func(string) string {
	return func(word string) string {
		i, err := strconv.Atoi(l.columns[word])
		if err != nil || i < 0 || i >= len(row) {
			return ""
		}
		return row[i]
	}
}

// readTime reads a moment as PBXs write it: a date with time, with or without a fraction and a zone, or seconds since
// 1970. A time without a zone is one of the given zone. It is zero if there is none.
func readTime(s string, zone *time.Location) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasPrefix(s, "0000-00-00") {
		return time.Time{}, false
	}
	if t, ok := epoch(s); ok {
		return t, !t.IsZero()
	}
	for _, form := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02 15:04:05.999999999Z07", time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.ParseInLocation(form, s, zone); err == nil && t.Year() >= 1990 && t.Year() < 2200 {
			return earlier(t), true
		}
	}
	return time.Time{}, false
}

// earlier is the first of the two moments that a clock shows which was put back an hour between them: a call that seems
// older than it is gets no text, one that seems younger could get a late one.
func earlier(t time.Time) time.Time {
	if u := t.Add(-time.Hour); u.Format(time.DateTime) == t.Format(time.DateTime) {
		return u
	}
	return t
}

// epoch reads seconds, milliseconds or microseconds since 1970; 0 is no moment.
func epoch(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || whole[0] == '+' { // a telephone number is no moment
		return time.Time{}, false
	}
	switch {
	case n == 0:
		return time.Time{}, true
	case n > 1e14:
		return time.UnixMicro(n).UTC(), true
	case n > 1e11:
		return time.UnixMilli(n).UTC(), true
	}
	nanos := int64(0)
	if fraction != "" {
		f, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err != nil || f < 0 {
			return time.Time{}, false
		}
		nanos = f
	}
	return time.Unix(n, nanos).UTC(), true
}

// seconds reads a number of seconds; negative and unreadable ones are 0.
func seconds(s string) time.Duration {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 0 || f > 1e8 {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

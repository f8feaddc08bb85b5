package smpp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"

	"textback"
)

// parseReceipt reads a delivery report out of a deliver_sm or data_sm, and whether it is one. The optional parameters
// count more than the text (SMPP 3.4, appendix B), whose form every vendor bends. A message that esm_class does not call a
// receipt is one if it has both parameters, or its text is the whole form: old message centres leave the bits out.
func parseReceipt(in *incoming) (*textback.Receipt, bool) {
	kind := in.esmClass & esmTypeMask
	text := reportText(in)
	fields := reportFields(text)
	id, hasID := tlvBytes(in.tlv, pdutlv.TagReceiptedMessageID)
	state, hasState := tlvNumber(in.tlv, pdutlv.TagMessageStateOption)
	switch {
	case kind == esmReceipt, kind == esmIntermediate:
	case hasID && hasState:
	case (kind == 0 || kind == esmDeliveryAck) && fields.whole():
	default:
		return nil, false
	}
	r := &textback.Receipt{MessageID: fields.id, Stat: fields.stat, Error: fields.err}
	if s := strings.TrimSpace(strings.TrimRight(string(id), "\x00")); hasID && s != "" {
		r.MessageID = s
	}
	r.MessageID = printable(r.MessageID, 65)
	r.State = statState(fields.stat)
	if word, s, ok := messageState(state); hasState && ok {
		r.State = s
		if r.Stat == "" {
			r.Stat = word
		}
	}
	if kind == esmIntermediate && r.State == textback.Undelivered {
		r.State = textback.Accepted // not there yet; the final report follows
	}
	said := strings.Trim(r.Error, "0") != ""
	if code, ok := tlvBytes(in.tlv, pdutlv.TagNetworkErrorCode); ok && len(code) == 3 && !said {
		if n := int(code[1])<<8 | int(code[2]); n != 0 {
			r.Error = fmt.Sprintf("%d/%d", code[0], n) // network type, error code (SMPP 3.4, 5.3.2.31)
		}
	}
	r.Reference, r.HasRef = tlvNumber(in.tlv, pdutlv.TagUserMessageReference)
	return r, true
}

// reportText is the text of a report. It is ASCII whatever data_coding says (osmo-msc says binary), unless it is UCS-2.
func reportText(in *incoming) string {
	text := in.text
	if in.esmClass&esmUDHI != 0 {
		if h, ok := parseUDH(text); ok {
			text = text[h.lengthy:]
		}
	}
	if codingClass(in.coding) == classUCS2 && len(text) > 1 && text[0] == 0 {
		return textback.DecodeUCS2(text)
	}
	return string(text)
}

// report is what the text of a report says.
type report struct {
	id, stat, err string
	dated         bool // it says when
}

// whole tells whether the text has what no person would write.
func (r *report) whole() bool { return r.id != "" && r.stat != "" && r.dated }

// reportKeys are the words of the form in SMPP 3.4, appendix B. "text" comes last: what follows it was written by others.
var reportKeys = []string{"id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text"}

// reportFields reads "id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…" in any case, with blanks after
// the colon or "=" for it, with fields missing, empty or in another order. The first of two fields of one name counts.
func reportFields(text string) report {
	text = text[:min(len(text), maxReport)]
	lower := asciiLower(text)
	found := map[string]string{}
	key, value := "", 0 // the field that is being read, and where its value begins
	end := func(at int) {
		if word := strings.Fields(strings.Trim(text[value:at], "\x00,;")); key != "" && len(word) > 0 && found[key] == "" {
			found[key] = strings.Trim(word[0], "\x00,;")
		}
	}
	for at := 0; at < len(text) && key != "text"; at++ {
		if next, begin, ok := keyAt(lower, at); ok {
			end(at)
			key, value = next, begin
			at = begin - 1
		}
	}
	if key != "text" {
		end(len(text))
	}
	return report{id: found["id"], dated: found["submit date"] != "" || found["done date"] != "",
		stat: printable(strings.ToUpper(found["stat"]), 20), err: printable(found["err"], 20)}
}

const maxReport = 1024

// keyAt finds a key with its colon at a place where a word begins, and where its value begins.
func keyAt(lower string, at int) (key string, value int, ok bool) {
	if at >= len(lower) || at > 0 && !isBlank(lower[at-1]) && lower[at-1] != ',' && lower[at-1] != ';' {
		return "", 0, false
	}
	for _, k := range reportKeys {
		if strings.HasPrefix(lower[at:], k) {
			end := at + len(k)
			if end < len(lower) && (lower[end] == ':' || lower[end] == '=') {
				return k, end + 1, true
			}
		}
	}
	return "", 0, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// asciiLower lowers only ASCII letters, so that positions stay the same in hostile text.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// printable keeps what may stand in a log and a database.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), limit)]
}

// messageState reads message_state (SMPP 3.4, 5.2.28).
func messageState(n uint16) (word string, s textback.TextState, ok bool) {
	switch n {
	case 1:
		return "ENROUTE", textback.Accepted, true
	case 2:
		return "DELIVRD", textback.Delivered, true
	case 3:
		return "EXPIRED", textback.Undelivered, true
	case 4:
		return "DELETED", textback.Undelivered, true
	case 5:
		return "UNDELIV", textback.Undelivered, true
	case 6:
		return "ACCEPTD", textback.Accepted, true
	case 7:
		return "UNKNOWN", textback.Unknown, true
	case 8:
		return "REJECTD", textback.Undelivered, true
	}
	return "", 0, false
}

// statState reads the word after "stat:", as the standard writes it or as vendors spell it out.
func statState(word string) textback.TextState {
	switch {
	case strings.HasPrefix(word, "DELIV"):
		return textback.Delivered
	case strings.HasPrefix(word, "UNDELIV"), strings.HasPrefix(word, "EXPIRED"), strings.HasPrefix(word, "DELET"),
		strings.HasPrefix(word, "REJECT"), strings.HasPrefix(word, "FAILED"), strings.HasPrefix(word, "SKIPPED"):
		return textback.Undelivered
	case strings.HasPrefix(word, "ACCEPT"), strings.HasPrefix(word, "ENROUTE"), strings.HasPrefix(word, "BUFF"),
		strings.HasPrefix(word, "SCHEDULED"):
		return textback.Accepted
	}
	return textback.Unknown
}

// IDForms are the forms under which the message centre may have given the id of a receipt in its submit_sm_resp: as it
// stands, without leading zeros, in the other case, and read as hexadecimal or as decimal. The first that is known wins.
func IDForms(id string) []string {
	id = strings.TrimSpace(id)
	forms := []string{id}
	add := func(s string) {
		for _, f := range forms {
			if f == s {
				return
			}
		}
		if s != "" {
			forms = append(forms, s)
		}
	}
	if id == "" {
		return nil
	}
	bare := strings.TrimLeft(id, "0")
	add(bare)
	add(strings.ToLower(id))
	add(strings.ToUpper(id))
	add(strings.ToLower(bare))
	add(strings.ToUpper(bare))
	if n, err := strconv.ParseUint(id, 10, 64); err == nil { // decimal here, hexadecimal there
		add(strconv.FormatUint(n, 16))
		add(strings.ToUpper(strconv.FormatUint(n, 16)))
		add(fmt.Sprintf("%08X", n))
		add(fmt.Sprintf("%08x", n))
	}
	if n, err := strconv.ParseUint(id, 16, 64); err == nil { // hexadecimal here, decimal there
		add(strconv.FormatUint(n, 10))
		add(fmt.Sprintf("%010d", n))
	}
	return forms
}

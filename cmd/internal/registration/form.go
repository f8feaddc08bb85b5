package registration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"textback"
	"textback/configs"
	"textback/rules"
)

// maker writes the fields of one business.
type maker struct {
	cfg      *configs.Config
	b        *rules.Business
	lines    []*rules.Line
	samples  []string
	greeting []string
	volume   Volume
	asks     bool // only who presses a key is texted
	fields   []Field

	form, section string
}

func (m *maker) begin(form, section string) { m.form, m.section = form, section }

func (m *maker) put(name, label, value, origin, note string) *Field {
	if value == "" && origin != FillIn {
		origin = FillIn
	}
	m.fields = append(m.fields, Field{Form: m.form, Section: m.section, Name: name, Label: label, Value: value, Origin: origin, Note: note})
	return &m.fields[len(m.fields)-1]
}

func (m *maker) ask(name, label, note string) { m.put(name, label, "", FillIn, note) }

// sized sets the length that is taken.
func (f *Field) sized(low, high int) { f.Min, f.Max = low, high }

func (m *maker) line() *rules.Line { return m.lines[0] }

// senders are the addresses that the texts come from.
func (m *maker) senders(want func(*rules.Line) bool) []string {
	var all []string
	for _, l := range m.lines {
		if want(l) && !slices.Contains(all, l.From) {
			all = append(all, l.From)
		}
	}
	return all
}

func anySender(*rules.Line) bool { return true }

func isTollFree(l *rules.Line) bool {
	n, err := textback.ParseNumber(l.From, l.Business.Region, nil, true)
	return err == nil && n.Kind == textback.KindTollFree
}

// isLocal tells a sender that 10DLC is about: a ten-digit number of North America that is not toll-free.
func isLocal(l *rules.Line) bool {
	n, err := textback.ParseNumber(l.From, l.Business.Region, nil, true)
	return err == nil && strings.HasPrefix(n.E164, "+1") && n.Kind != textback.KindTollFree
}

func (m *maker) numbers() string {
	var all []string
	for _, l := range m.lines {
		all = append(all, l.Number)
	}
	const shown = 5
	if len(all) > shown {
		return strings.Join(all[:shown], ", ") + fmt.Sprintf(" and %d more numbers", len(all)-shown)
	}
	return strings.Join(all, ", ")
}

// limit says how often one person is texted.
func (m *maker) limit() string {
	p := &m.line().Policy
	s := "One text for a missed call"
	if p.Window > 0 {
		s += fmt.Sprintf(", at most one to a caller in %s", spoken(p.Window))
	}
	if p.MaxUnreplied > 0 {
		s += fmt.Sprintf(", at most %d in 30 days to one who never answers", p.MaxUnreplied)
	}
	return s
}

func spoken(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return d.String()
}

// description is the use case in a paragraph.
func (m *maker) description() string {
	s := fmt.Sprintf("%s texts back callers whom it missed. A person who calls %s and is connected to nobody gets one text that names %s, says that the call was "+
		"missed, and invites a reply, which a person answers", m.b.Name, m.numbers(), m.b.Name)
	if m.b.BookingURL != "" {
		s += ", or a booking at " + host(m.b.BookingURL)
	}
	return s + ". " + m.limit() + ". No marketing is sent, and nobody is texted who did not call. STOP in any wording is obeyed at once and for good; HELP is answered to anyone."
}

// summary is the use case in a few sentences, for forms with little room.
func (m *maker) summary() string {
	return fmt.Sprintf("%s texts back callers whom it missed: one text that names %s, says that the call was missed, and invites a reply, which a person answers. %s. "+
		"No marketing; only people who called are texted. STOP is obeyed at once, HELP is answered.", m.b.Name, m.b.Name, m.limit())
}

func host(link string) string {
	_, rest, ok := strings.Cut(link, "://")
	if !ok {
		return link
	}
	h, _, _ := strings.Cut(rest, "/")
	return h
}

// flow is the story of the opt-in: how the number came to be ours, and what the caller was told.
func (m *maker) flow() string {
	s := fmt.Sprintf("The customer calls %s, the published telephone number of %s [TO FILL IN: where it is published, with a link]. ", m.numbers(), m.b.Name)
	switch {
	case m.asks:
		s += fmt.Sprintf("While the call waits the customer hears: \"%s\" Only a customer who presses the key is texted, and the key is on record. ", m.greeting[1])
	case m.declines():
		s += fmt.Sprintf("While the call waits, and in the voicemail greeting, the customer hears: \"%s\" A customer who presses the key is not texted. ", m.greeting[0])
	default:
		s += fmt.Sprintf("While the call waits, and in the voicemail greeting, the customer hears: \"%s\" ", m.greeting[0])
	}
	return s + fmt.Sprintf("Only if nobody answers the call, one text goes to the number that called. Numbers are never bought, imported, shared or sold. The call, its time and "+
		"the number dialled are kept as the record. %s. Reply STOP to opt out, HELP for help. Message and data rates may apply. Privacy policy: [TO FILL IN: link]. "+
		"Terms: [TO FILL IN: link].", m.limit())
}

// declines tells whether a menu can keep a caller from being texted.
func (m *maker) declines() bool {
	return slices.ContainsFunc(m.cfg.PBXs, func(p configs.PBX) bool { return p.NoTextName != "" })
}

// before is what must be true, or be mended, before a form is sent in.
func (m *maker) before() []string {
	out := []string{
		"\"They called us\" is not taken as consent by itself. The greeting below must really be played, before voicemail and in the menu: reviewers call the number.",
		"Read every value that is marked as suggested: you sign it, not textback.",
	}
	switch {
	case m.asks && !m.declines():
		out = append(out, "The greeting asks for a key, and no [[pbx]] has a no_text variable by which the dialplan could tell of it: write no_text first.")
	case m.asks:
		out = append(out, "The greeting asks for a key: let the dialplan begin with the value of no_text and change it for the key (docs/compliance.md shows it).")
	case m.declines():
		out = append(out, "The greeting offers a key for no text: let the dialplan set the variable that no_text names (docs/compliance.md shows it), or take the sentence out.")
	}
	if !slices.ContainsFunc(m.cfg.Notify, func(n configs.Notify) bool { return n.Wants("reply.received", m.b.Key) }) {
		out = append(out, "The use case says that a person answers replies, and no [[notify]] is told of them: write one.")
	}
	if help := m.line().HelpAnswer(); !strings.Contains(strings.ToLower(help), strings.ToLower(m.b.Name)) {
		out = append(out, "The answer to HELP does not name the business: mend help in the configuration first.")
	}
	if m.line().Policy.Shadow {
		out = append(out, "Shadow mode is on: nothing is sent yet. Registration takes days to weeks, so now is the time.")
	}
	if len(m.samples) < 2 {
		out = append(out, "Two different sample messages are asked for, and the configuration gives fewer: write a template \"closed\" or \"repeat\".")
	}
	if !m.volume.Known {
		out = append(out, "The volume is concluded from the limits, because there are no figures yet: run a week in shadow mode, and make this again.")
	}
	return out
}

// brand are the facts about the company, which the configuration knows little of.
func (m *maker) brand() {
	m.ask("companyName", "Legal company name", "exactly as on the tax registration, with its suffix")
	m.put("displayName", "Brand name (DBA)", m.b.Name, FromConfig, "name of the business; it stands in every text")
	m.ask("ein", "Tax number (EIN) or other registration number", "")
	m.ask("businessRegistrationType", "Kind of that number", "EIN, Canadian business number, VAT, ...")
	m.put("country", "Country of registration", m.b.Region, FromConfig, "region of the business")
	m.ask("entityType", "Kind of company", "private, public, non-profit, government or sole proprietor")
	m.ask("vertical", "Branch of trade", "from the registrar's list")
	m.ask("address", "Street, city, state and postal code", "")
	m.ask("website", "Website", "it must be live, name the business and link the privacy policy")
	m.put("phone", "Telephone", m.line().Number, Suggested, "first line of the business")
	m.ask("email", "E-mail for support", "of the business's own domain")
	m.ask("contact", "Person to ask: name, e-mail, telephone", "")
}

// policyPages are what reviewers look at on the website.
func (m *maker) policyPages() {
	m.ask("privacyPolicyLink", "Privacy policy", "a live page that says: no mobile information is shared with third parties or affiliates for marketing; text "+
		"messaging consent is shared with nobody. Say also what textback keeps: numbers, calls and texts for the time in [retention], opt-outs for good")
	m.ask("termsAndConditionsLink", "Terms", "a live page that names the program, how often it texts, HELP, STOP, and that message and data rates may apply")
}

// answers are the keywords and what is sent to them.
func (m *maker) answers() {
	language := m.cfg.Languages[m.b.Key]
	m.put("optinKeywords", "Opt-in keywords", strings.Join(rules.OptInWords(), ", "), FromConfig, "they take an opt-out back; nobody begins by text")
	m.put("optinMessage", "Answer to them", rules.OptInAnswer(language, m.b.Name), FromConfig, "").sized(20, 320)
	m.put("optoutKeywords", "Opt-out keywords", strings.Join(rules.OptOutWords(), ", "), FromConfig, "as the whole message; plain wordings count as well")
	if m.line().Policy.Confirm {
		m.put("optoutMessage", "Answer to them", rules.OptOutAnswer(language, m.b.Name), FromConfig, "sent once").sized(20, 320)
	} else {
		m.put("optoutMessage", "Answer to them", "(sent by the network)", FromConfig, "confirm = false")
	}
	m.put("helpKeywords", "Help keywords", strings.Join(rules.HelpWords(), ", "), FromConfig, "")
	m.put("helpMessage", "Answer to them", m.line().HelpAnswer(), FromConfig, "").sized(20, 320)
}

func (m *maker) sampleFields() {
	for i, s := range m.samples {
		m.put(fmt.Sprintf("sample%d", i+1), fmt.Sprintf("Sample message %d", i+1), s, FromConfig, "rendered as it is sent; the token in the link differs each time").sized(20, 1024)
	}
	for i := len(m.samples); i < 2; i++ {
		m.ask(fmt.Sprintf("sample%d", i+1), fmt.Sprintf("Sample message %d", i+1), "two are asked for: write a template \"closed\" or \"repeat\"")
	}
}

// phoneLike finds a telephone number in a text.
var phoneLike = regexp.MustCompile(`\+?\d[\d (),.-]{8,}\d`)

func (m *maker) attribute(name, label string, on bool, note string) {
	m.put(name, label, yes(on), FromConfig, note)
}

// claim is an attribute that only the business can know; what is mostly true is suggested.
func (m *maker) claim(name, label string, on bool, note string) {
	m.put(name, label, yes(on), Suggested, note)
}

func yes(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

func (m *maker) tenDLC() {
	m.begin(TenDLC, "Brand")
	m.brand()
	m.begin(TenDLC, "Campaign")
	useCase, note := "CUSTOMER_CARE", "CUSTOMER_CARE has the full throughput"
	if m.volume.Day > 0 && m.volume.Day < 2000 {
		note += "; below 2,000 segments a day LOW_VOLUME (low volume mixed) is cheaper"
	}
	m.put("usecase", "Use case", useCase, Suggested, note)
	m.put("description", "Description", m.description(), Suggested, "").sized(40, 4096)
	m.put("messageFlow", "Call to action (message flow)", m.flow(), Suggested, "the field on which most campaigns fail").sized(40, 2048)
	m.sampleFields()
	m.answers()
	m.begin(TenDLC, "Attributes")
	all := strings.Join(m.samples, "\n")
	m.claim("subscriberOptin", "Subscribers opt in", true, "by the greeting; see the message flow")
	m.attribute("subscriberOptout", "Subscribers can opt out", true, "")
	m.attribute("subscriberHelp", "Subscribers get help", true, "")
	m.attribute("embeddedLink", "Texts hold a link", strings.Contains(all, "://"), "no public shortener: a link of your own domain")
	m.attribute("embeddedPhone", "Texts hold a telephone number", phoneLike.MatchString(all), "in the samples")
	m.attribute("numberPool", "More than 49 sending numbers", len(m.senders(anySender)) > 49, "")
	m.claim("directLending", "Direct lending", false, "change it if you lend money")
	m.claim("ageGated", "Age-gated content", false, "change it if you sell what is")
	m.claim("affiliateMarketing", "Affiliate marketing", false, "the texts of the configuration must not be any")
	m.begin(TenDLC, "Numbers and volume")
	if numbers := m.senders(isLocal); len(numbers) > 0 {
		m.put("phoneNumbers", "Sending numbers", strings.Join(numbers, ", "), FromConfig, "from of the lines")
	} else {
		m.put("phoneNumbers", "Sending numbers", "none: no line of the business sends from a ten-digit number of North America, so this form is not needed", FromConfig, "from of the lines")
	}
	m.volumeField("monthlyVolume", "Texts a month")
	m.policyPages()
}

// volumeField tells the expected volume.
func (m *maker) volumeField(name, label string) {
	origin := FromFigures
	if !m.volume.Known {
		origin = Suggested
	}
	value := ""
	if m.volume.Month > 0 {
		value = fmt.Sprint(m.volume.Month)
	}
	m.put(name, label, value, origin, m.volume.How)
}

// tiers are the volumes that the toll-free form offers.
var tiers = []int{10, 100, 1_000, 10_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 5_000_000, 10_000_000}

func tier(n int) string {
	for _, t := range tiers {
		if n <= t {
			return fmt.Sprintf("%d", t)
		}
	}
	return fmt.Sprintf("%d+", tiers[len(tiers)-1])
}

func (m *maker) tollFree() {
	m.begin(TollFree, "Business")
	m.brand()
	m.begin(TollFree, "Use case")
	numbers := m.senders(isTollFree)
	if len(numbers) == 0 {
		m.put("phoneNumbers", "Toll-free numbers", "none: no line of the business sends from a toll-free number, so this form is not needed", FromConfig, "from of the lines")
	} else {
		m.put("phoneNumbers", "Toll-free numbers", strings.Join(numbers, ", "), FromConfig, "from of the lines")
	}
	m.put("useCase", "Use case", "Customer Support", Suggested, "the category of that name, or CUSTOMER_SUPPORT")
	m.put("useCaseSummary", "Summary", m.summary(), Suggested, "").sized(40, 500)
	m.sampleFields()
	origin := FromFigures
	if !m.volume.Known {
		origin = Suggested
	}
	if m.volume.Month > 0 {
		m.put("messageVolume", "Texts a month", tier(m.volume.Month), origin, fmt.Sprintf("the tier above %d: %s", m.volume.Month, m.volume.How))
	} else {
		m.ask("messageVolume", "Texts a month", m.volume.How)
	}
	m.put("optInWorkflow", "How people opt in", m.flow(), Suggested, "kind: VERBAL. The exact words are asked for, and how they are recorded").sized(40, 2048)
	m.ask("optInWorkflowImageURLs", "Proof of it", "a link to a recording of the greeting, or to a page that shows its words")
	m.answers()
	m.claim("ageGatedContent", "Age-gated content", false, "change it if you sell what is")
	m.policyPages()
	m.put("additionalInformation", "Further information", "The network answers STOP and UNSTOP on toll-free numbers itself; the program obeys them as well, and keeps the opt-out for good.",
		Suggested, "write confirm = false in the policy of toll-free lines")
}

func (m *maker) general() {
	m.begin(General, "Company")
	m.brand()
	m.begin(General, "Traffic")
	m.put("senders", "Senders", strings.Join(m.senders(anySender), ", "), FromConfig, "numbers can be answered; a sender of letters cannot, and many countries ask to register it first")
	regions := m.line().Policy.Regions
	where := strings.Join(regions, ", ")
	if len(regions) == 0 {
		where = "any"
	}
	m.put("destinations", "Countries texted", where, FromConfig, "regions of the policy; nobody elsewhere is texted")
	m.put("trafficType", "Kind of traffic", "transactional, conversational; no marketing", Suggested, "")
	m.put("description", "Description", m.description(), Suggested, "")
	m.put("consent", "Consent", m.flow(), Suggested, "")
	m.sampleFields()
	m.volumeField("monthlyVolume", "Texts a month")
	p := &m.line().Policy
	quiet := "none"
	if !p.Quiet.None() {
		quiet = p.Quiet.String() + " at the caller's place; "
		quiet += map[rules.QuietAction]string{rules.QuietImmediate: "the immediate answer to a call is sent at any hour, everything else waits",
			rules.QuietHold: "texts wait until they are over", rules.QuietSkip: "nothing is sent for calls in them", rules.QuietSend: "they are not applied"}[p.QuietAction]
	}
	m.put("quietHours", "Quiet hours", quiet, FromConfig, "")
	m.begin(General, "Stopping")
	m.answers()
	m.put("retention", "How long data is kept", m.kept(), FromConfig, "[retention]")
	m.policyPages()
}

func (m *maker) kept() string {
	days := func(d time.Duration) string {
		if d == 0 {
			return "for ever"
		}
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	}
	return fmt.Sprintf("conversations %s, calls and texts %s; opt-outs for good, as a keyed hash once the person's data is erased",
		days(m.cfg.Retention.Threads), days(m.cfg.Retention.Calls))
}

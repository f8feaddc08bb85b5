package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"textback/smpp/smpptest"
)

// answers lets three of the texted callers answer: one asks and gets a person, one says STOP, one books.
func (d *demo) answers(ctx context.Context) error {
	texts := d.smsc.Texts()
	if len(texts) < 3 {
		return fmt.Errorf("only %d texts: too few callers to answer", len(texts))
	}
	asker, stopper, booker := texts[0], texts[1], texts[2]
	d.out.say("", "")
	d.out.say("", "Now callers answer. %s asks something, and a person answers through the HTTP call.", asker.To)
	if err := d.write(ctx, asker.To, asker.From, "Can you come on Friday?"); err != nil {
		return err
	}
	if err := d.personAnswers(ctx); err != nil {
		return err
	}
	if err := d.awaitText(ctx, asker.To, 1, "Friday at ten"); err != nil {
		return err
	}
	d.out.say("", "%s says STOP, twice: one confirmation, and then nothing.", stopper.To)
	for range 2 {
		if err := d.write(ctx, stopper.To, stopper.From, "Stop."); err != nil {
			return err
		}
	}
	if err := d.awaitText(ctx, stopper.To, 1, "opted out"); err != nil {
		return err
	}
	d.out.say("", "%s books through the link in the text.", booker.To)
	if err := d.book(ctx, booker.Body); err != nil {
		return err
	}
	if !pause(ctx, time.Second) {
		return ctx.Err()
	}
	counts := make(map[string]int)
	for _, t := range d.smsc.Texts() {
		counts[t.To]++
	}
	if counts[stopper.To] != 2 || counts[asker.To] != 2 || counts[booker.To] != 1 {
		return fmt.Errorf("texts to those who answered: %d, %d and %d, want 2 (asked), 2 (stopped) and 1 (booked)",
			counts[asker.To], counts[stopper.To], counts[booker.To])
	}
	d.out.say("", "A question, a STOP and a booking: each was dealt with as it should be.")
	return nil
}

// write sends a text from a caller's phone and waits until the daemon has acknowledged it.
func (d *demo) write(ctx context.Context, from, to, body string) error {
	d.out.say("phone    ", "%s writes %q", from, body)
	statuses, err := d.smsc.Deliver(ctx, smpptest.Message{From: from, To: to, Body: body})
	if err != nil {
		return err
	}
	for _, s := range statuses {
		if s != 0 {
			return fmt.Errorf("the daemon answered a deliver_sm with status 0x%x", s)
		}
	}
	return nil
}

// awaitText waits for a text beyond the first n to a number that says something.
func (d *demo) awaitText(ctx context.Context, to string, n int, says string) error {
	err := d.await(ctx, "the text", func() bool {
		seen := 0
		for _, t := range d.smsc.Texts() {
			if t.To == to {
				seen++
				if seen > n && strings.Contains(t.Body, says) {
					return true
				}
			}
		}
		return false
	})
	if err == nil {
		d.out.say("phone    ", "%s gets a text that says %q", to, says)
	}
	return err
}

// personAnswers is a person, or her CRM, who answers the first thread.
func (d *demo) personAnswers(ctx context.Context) error {
	status, err := d.post(ctx, "/threads/1/reply", `{"text":"Yes, Friday at ten. Ann from Acme"}`, "Authorization", "Bearer "+demoToken)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("the reply call was answered with status %d", status)
	}
	return err
}

var demoTokenPattern = regexp.MustCompile(`https://\S+`)

// book calls the daemon as Cal.com does when somebody has booked through the link of a text.
func (d *demo) book(ctx context.Context, body string) error {
	link, err := url.Parse(demoTokenPattern.FindString(body))
	if err != nil {
		return err
	}
	token := link.Query().Get("metadata[tb]")
	if token == "" {
		return errors.New("the text has no booking link with a token")
	}
	payload := fmt.Sprintf(`{"triggerEvent":"BOOKING_CREATED","createdAt":%q,"payload":{"uid":"demo-booking","title":"Leaking tap",`+
		`"startTime":%q,"metadata":{"tb":%q},"attendees":[{"name":"Jane","email":"jane@example.org"}]}}`,
		time.Now().UTC().Format(time.RFC3339), time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339), token)
	mac := hmac.New(sha256.New, []byte(demoSecret))
	mac.Write([]byte(payload))
	status, err := d.post(ctx, "/hooks/cal", payload, "X-Cal-Signature-256", hex.EncodeToString(mac.Sum(nil)))
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("the booking was answered with status %d", status)
	}
	if err != nil {
		return err
	}
	status, err = d.post(ctx, "/hooks/cal", payload, "X-Cal-Signature-256", strings.Repeat("0", 64))
	if err == nil && status != http.StatusUnauthorized {
		err = fmt.Errorf("a booking with a wrong signature was answered with status %d", status)
	}
	return err
}

func (d *demo) post(ctx context.Context, path, body, header, value string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.web+path, bytes.NewBufferString(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

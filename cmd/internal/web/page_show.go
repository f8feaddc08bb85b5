package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"textback"
)

// askWithin bounds how long a page may take to be read out of the store.
const askWithin = 20 * time.Second

// view is one page: the name of its template, and what it shows.
type view struct {
	name, title, active string
	data                any
}

// page shows what look finds to a person who is logged in, or its changes if live=1 is asked for.
func (u *ui) page(look func(*http.Request) (view, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		live := r.URL.Query().Get("live") == "1"
		if _, ok := u.person(r, !live); !ok {
			if live {
				w.WriteHeader(http.StatusUnauthorized)
			} else {
				u.ask(w, r)
			}
			return
		}
		if live {
			u.live(w, r, look)
			return
		}
		v, err := look(r)
		if err != nil {
			u.failed(w, r, err)
			return
		}
		u.present(w, r, http.StatusOK, v)
	}
}

// present shows a view in its frame.
func (u *ui) present(w http.ResponseWriter, r *http.Request, status int, v view) {
	f, err := u.frame(r, v)
	if err != nil {
		u.failed(w, r, err)
		return
	}
	u.write(w, r, status, v.name, f)
}

func (u *ui) frame(r *http.Request, v view) (frame, error) {
	person, _ := u.person(r, false)
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	st, err := u.Desk.Standing(ctx)
	return frame{Title: v.title, Active: v.active, Person: person, Standing: &st, Places: u.Desk.Places(), Now: u.h.Now(), URL: r.URL, Data: v.data}, err
}

// failed says what went wrong. The cause of what is not the person's is for the log: it may name files and peers.
func (u *ui) failed(w http.ResponseWriter, r *http.Request, err error) {
	var ask *Ask
	switch {
	case errors.As(err, &ask):
		u.fail(w, r, http.StatusBadRequest, ask.Message)
	case errors.Is(err, ErrNoThread):
		u.fail(w, r, http.StatusNotFound, "There is no such conversation, or it was erased.")
	case errors.Is(err, ErrRefused):
		u.fail(w, r, http.StatusConflict, refusal(err))
	case r.Context().Err() != nil:
	default:
		u.failure(r.URL.Path, err)
		u.fail(w, r, http.StatusServiceUnavailable, "This could not be read or stored now. Try again in a moment; the log says why.")
	}
}

// refusal is why an answer was refused, as a sentence.
func refusal(err error) string {
	s := strings.TrimPrefix(err.Error(), ErrRefused.Error()+": ")
	return "Not sent: " + s + "."
}

// pageNumber reads ?page=; what makes no sense is the first.
func pageNumber(q url.Values) int {
	n, err := strconv.Atoi(q.Get("page"))
	if err != nil || n < 1 || n > 100_000 {
		return 1
	}
	return n
}

func (u *ui) calls(r *http.Request) (view, error) {
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	in := r.URL.Query()
	q := CallQuery{Day: in.Get("day"), Business: in.Get("business"), Show: in.Get("show"), Page: pageNumber(in)}
	day, err := u.Desk.Calls(ctx, q)
	if err != nil {
		return view{}, err
	}
	return view{"calls", "Calls", "calls", struct {
		CallDay
		Query      CallQuery
		Prev, Next time.Time
	}{day, q, day.Day.AddDate(0, 0, -1), day.Day.AddDate(0, 0, 1)}}, nil
}

func (u *ui) story(r *http.Request) (view, error) {
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	what := strings.TrimSpace(r.URL.Query().Get("what"))
	if what == "" {
		return view{}, &Ask{"Write a telephone number, like +12025550123, or a call as the log names it."}
	}
	s, err := u.Desk.Story(ctx, what)
	if err != nil {
		return view{}, err
	}
	title := "One call"
	if s.Number != "" {
		title = shown(s.Number)
	}
	return view{"story", title, "calls", s}, nil
}

func (u *ui) threads(r *http.Request) (view, error) {
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	in := r.URL.Query()
	q := ThreadQuery{Business: in.Get("business"), All: in.Get("all") == "1", Page: pageNumber(in)}
	l, err := u.Desk.Threads(ctx, q)
	return view{"threads", "Threads", "threads", struct {
		ThreadList
		Query ThreadQuery
	}{l, q}}, err
}

// perThread is how many messages of a conversation are shown at once.
const perThread = 100

// threadView is one conversation with the person's unsent words, if they were refused.
type threadView struct {
	Conversation
	Shown       []textback.Message
	Before      int // messages before the shown ones
	Earlier     int // where the page before begins
	Later       bool
	Draft, Once string
	Wrong       string
	Max         int
}

func (u *ui) thread(r *http.Request) (view, error) { return u.threadWith(r, "", "") }

func (u *ui) threadWith(r *http.Request, draft, wrong string) (view, error) {
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return view{}, ErrNoThread
	}
	c, err := u.Desk.Thread(ctx, id)
	if err != nil {
		return view{}, err
	}
	t := threadView{Conversation: c, Draft: draft, Wrong: wrong, Max: maxReplyText, Once: strconv.FormatInt(u.h.Now().UnixNano(), 36)}
	until := len(c.Messages)
	if n, err := strconv.Atoi(r.URL.Query().Get("before")); err == nil && n > 0 && n < until {
		until, t.Later = n, true
	}
	t.Before = max(0, until-perThread)
	t.Shown, t.Earlier = c.Messages[t.Before:until], t.Before
	return view{"thread", caller(c.Caller), "threads", t}, nil
}

func (u *ui) report(r *http.Request) (view, error) {
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	in := r.URL.Query()
	q := ReportQuery{Since: in.Get("since"), Until: in.Get("until"), Business: in.Get("business"), Line: in.Get("line")}
	d := struct {
		Query ReportQuery
		Wrong string
		Body  template.HTML
	}{Query: q}
	p, err := u.Desk.Report(ctx, q)
	if ask := (*Ask)(nil); errors.As(err, &ask) {
		d.Wrong, err = ask.Message, nil
	}
	d.Body = template.HTML(p.Body) // made by package report with html/template: nothing in it is a stranger's unescaped
	return view{"report", "Report", "report", d}, err
}

// act does what a form asks for, by a person who is logged in.
func (u *ui) act(do func(w http.ResponseWriter, r *http.Request, id uint64, person string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person, ok := u.person(r, true)
		if !ok {
			// The words that were typed would be lost: the browser still has them behind its back button.
			u.fail(w, r, http.StatusUnauthorized, "You are logged out, so nothing was done. Log in in another tab, then go back and send it again.")
			return
		}
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
		if err != nil || id == 0 {
			u.failed(w, r, ErrNoThread)
			return
		}
		if err := r.ParseForm(); err != nil {
			u.fail(w, r, http.StatusBadRequest, "The form could not be read: it may be too long.")
			return
		}
		do(w, r, id, person)
	}
}

func (u *ui) reply(w http.ResponseWriter, r *http.Request, id uint64, person string) {
	text := strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n"))
	again := func(status int, wrong string) {
		v, err := u.threadWith(r, text, wrong)
		if err != nil {
			u.failed(w, r, err)
			return
		}
		u.present(w, r, status, v)
	}
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		again(http.StatusBadRequest, "Write something first.")
		return
	case n > maxReplyText:
		again(http.StatusBadRequest, fmt.Sprintf("The text has %d characters, %d at most.", n, maxReplyText))
		return
	}
	// A form that is sent twice, by a double click or by going back, answers once.
	key := fmt.Sprintf("page %q %d %q %q", person, id, clip(r.PostForm.Get("once"), 40), text)
	if u.h.seen.reserve(key) {
		err := u.h.OnReply(r.Context(), Reply{Thread: id, Person: person, Text: text})
		if err != nil {
			u.h.seen.release(key)
		}
		switch {
		case errors.Is(err, ErrRefused):
			again(http.StatusConflict, refusal(err))
			return
		case errors.Is(err, ErrNoThread):
			u.failed(w, r, err)
			return
		case err != nil:
			u.failure("reply", err)
			again(http.StatusServiceUnavailable, "It could not be stored now. Your words are still here: try again in a moment.")
			return
		}
	}
	http.Redirect(w, r, fmt.Sprintf("%sthreads/%d#end", uiRoot, id), http.StatusSeeOther)
}

func (u *ui) take(w http.ResponseWriter, r *http.Request, id uint64, person string) {
	if err := u.Desk.Take(r.Context(), id, person); err != nil {
		u.failed(w, r, err)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("%sthreads/%d", uiRoot, id), http.StatusSeeOther)
}

func (u *ui) close(w http.ResponseWriter, r *http.Request, id uint64, _ string) {
	if err := u.Desk.Close(r.Context(), id); err != nil {
		u.failed(w, r, err)
		return
	}
	http.Redirect(w, r, uiRoot+"threads", http.StatusSeeOther)
}

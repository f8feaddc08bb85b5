package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"textback"
)

//go:embed pages
var pageFiles embed.FS

// views are the templates and the files beside them.
type views struct {
	t      *template.Template
	files  map[string][]byte // by the name with its hash
	hashed map[string]string // name → name with its hash: a new version is a new address, so that browsers may keep it
}

func newViews(reportStyle string) (*views, error) {
	v := &views{files: make(map[string][]byte), hashed: make(map[string]string)}
	err := fs.WalkDir(pageFiles, "pages/static", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := pageFiles.ReadFile(p)
		if err != nil {
			return err
		}
		v.add(path.Base(p), b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the files of the page: %w", err)
	}
	// Everything of it is for what stands in the report alone; the browser nests it.
	v.add("report.css", []byte(".report {\n"+reportStyle+"}\n"))
	one, two := alphabet()
	v.t, err = template.New("pages").Funcs(template.FuncMap{
		"asset": func(name string) string { return uiRoot + "static/" + v.hashed[name] },
		"pair":  func(f frame, x any) pair { return pair{f, x} },
		"shown": shown, "fold": fold, "snippet": snippet, "telephone": telephone, "caller": caller, "outcome": outcome, "reason": reason,
		"markText": func(t textback.Text) mark { return markOf(&t) }, "markState": func(s textback.TextState) mark { return stateMarks[s] }, "verdictMark": verdictMark, "why": why, "kind": kind, "guards": guardsOf, "lasted": lasted,
		"gsm1": func() string { return one }, "gsm2": func() string { return two },
		"plural": func(n int, word string) string {
			if n == 1 {
				return "1 " + word
			}
			return strconv.Itoa(n) + " " + word + "s"
		},
		"join": strings.Join, "add": func(a, b int) int { return a + b },
	}).ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the templates of the page: %w", err)
	}
	return v, nil
}

func (v *views) add(name string, b []byte) {
	sum := sha256.Sum256(b)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	v.files[hashed], v.hashed[name] = b, hashed
}

// pair hands a template two things.
type pair struct {
	F frame
	X any
}

// frame is what every page stands in.
type frame struct {
	Title, Active string
	Person        string
	Standing      *Standing
	Places        Places
	Now           time.Time
	URL           *url.URL
	Again         string // address to ask for once more
	Data          any
}

// Clock is a time of day.
func (f frame) Clock(t time.Time) string { return t.In(f.zone()).Format("15:04") }

// Seconds is a time of day to the tenth of a second.
func (f frame) Seconds(t time.Time) string { return t.In(f.zone()).Format("15:04:05.0") }

// Stamp is a moment: of today only the time of day.
func (f frame) Stamp(t time.Time) string {
	l, now := t.In(f.zone()), f.Now.In(f.zone())
	switch {
	case t.IsZero():
		return "never"
	case l.Format(time.DateOnly) == now.Format(time.DateOnly):
		return l.Format("15:04")
	case l.Year() == now.Year():
		return l.Format("Mon 2 Jan, 15:04")
	default:
		return l.Format("2 Jan 2006, 15:04")
	}
}

// Day is a date in words.
func (f frame) Day(t time.Time) string {
	l, now := t.In(f.zone()), f.Now.In(f.zone())
	switch l.Format(time.DateOnly) {
	case now.Format(time.DateOnly):
		return "Today"
	case now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "Yesterday"
	}
	if l.Year() == now.Year() {
		return l.Format("Monday 2 January")
	}
	return l.Format("Monday 2 January 2006")
}

// Date is a date as forms have it.
func (f frame) Date(t time.Time) string { return t.In(f.zone()).Format(time.DateOnly) }

// DateTime is a moment for machines.
func (f frame) DateTime(t time.Time) string { return t.In(f.zone()).Format(time.RFC3339) }

// Zone is the name of the zone in which times are shown.
func (f frame) Zone() string { return f.zone().String() }

func (f frame) zone() *time.Location {
	if f.Places.Zone == nil {
		return time.UTC
	}
	return f.Places.Zone
}

// With is the page's own address with other values for some of its parameters; "" takes one out.
func (f frame) With(values ...any) string {
	q := f.URL.Query()
	q.Del("live")
	for i := 0; i+1 < len(values); i += 2 {
		k, val := fmt.Sprint(values[i]), fmt.Sprint(values[i+1])
		if q.Del(k); val != "" {
			q.Set(k, val)
		}
	}
	if len(q) == 0 {
		return f.URL.Path
	}
	return f.URL.Path + "?" + q.Encode()
}

// render writes a template into memory: a page that fails half way is no page.
func (v *views) render(name string, f frame) ([]byte, error) {
	var b bytes.Buffer
	if err := v.t.ExecuteTemplate(&b, name, f); err != nil {
		return nil, fmt.Errorf("write the page %q: %w", name, err)
	}
	return b.Bytes(), nil
}

// write answers with a page.
func (u *ui) write(w http.ResponseWriter, r *http.Request, status int, name string, f frame) {
	f.Now, f.URL = u.h.Now(), r.URL
	b, err := u.views.render(name, f)
	if err != nil {
		u.failure(name, err)
		http.Error(w, "This page could not be made. The log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // whoever went away need not be told
	}
}

// failure tells whoever keeps the log.
func (u *ui) failure(page string, err error) {
	if u.OnFailure != nil {
		u.OnFailure(page, err)
	}
}

// fail answers with a page that says what is wrong.
func (u *ui) fail(w http.ResponseWriter, r *http.Request, status int, words string) {
	person, _ := u.person(r, false)
	u.write(w, r, status, "wrong", frame{Title: http.StatusText(status), Person: person, Places: u.Desk.Places(), Data: words})
}

// static serves a file whose name has its hash.
func (u *ui) static(w http.ResponseWriter, r *http.Request) {
	b, ok := u.views.files[r.PathValue("name")]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.URL.Path)))
	_, _ = w.Write(b)
}

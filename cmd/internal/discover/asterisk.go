package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	v6 "github.com/CyCoreSystems/ari/v6"

	"textback/ari"
	"textback/cmd/internal/daemon"
	"textback/configs"
)

// mostEndpoints bounds how many endpoints are asked for their context: one request each.
const mostEndpoints = 400

// options are those of a link beside the daemon's: with an application of its own, since two of one name throw each other
// out.
func asteriskOptions(pbx *configs.PBX) (ari.Options, *Problem) {
	o := ari.Options{URL: pbx.URL, Username: pbx.Username, Password: pbx.Password.Reveal(), App: "textback-look-" +
		strconv.Itoa(os.Getpid())}
	if pbx.TLS {
		t, err := daemon.ClientTLS(pbx.TLSCA, pbx.TLSServerName, hostPort(pbx.URL))
		if err != nil {
			return o, &Problem{What: "tls", Message: words(err),
				Hint: "tls_ca must name a PEM file with the authority's certificate", err: err}
		}
		o.TLS = t
	}
	return o, nil
}

// hostPort is where a URL leads.
func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
		if port == "" {
			port = "80"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func askAsterisk(ctx context.Context, kind string, pbx *configs.PBX) (*Found, error) {
	o, problem := asteriskOptions(pbx)
	if problem != nil {
		return nil, problem
	}
	if p := Reach(ctx, "Asterisk", hostPort(pbx.URL), o.TLS); p != nil {
		if p.What == "connect" {
			p.Hint = listenHint(kind, p)
		}
		return nil, p
	}
	answer, err := ari.Get(ctx, o, "/asterisk/info", url.Values{"only": {"system,status"}})
	if err != nil {
		return nil, ariProblem(kind, pbx, err)
	}
	f := &Found{}
	if p := f.info(answer, pbx); p != nil {
		return nil, p
	}
	if p := f.link(ctx, kind, pbx, o); p != nil {
		return nil, p
	}
	f.endpoints(ctx, kind, o)
	return f, nil
}

// listenHint says where the HTTP server is switched on.
func listenHint(kind string, p *Problem) string {
	if !strings.Contains(p.Message, "refused") {
		return p.Hint
	}
	if kind == FreePBX {
		return `is Asterisk running? FreePBX: Settings > Advanced Settings > "Enable the mini-HTTP Server" = Yes, then Apply Config; ` +
			"`asterisk -rx 'http show status'` shows where it listens"
	}
	return "is Asterisk running, and its HTTP server on? http.conf: enabled = yes, bindaddr, bindport; `asterisk -rx 'http show status'` shows where it listens"
}

// ariProblem says what a refusal of ARI means.
func ariProblem(kind string, pbx *configs.PBX, err error) *Problem {
	p := &Problem{err: err}
	user := Clean(pbx.Username)
	var re *ari.RESTError
	if !errors.As(err, &re) && (isTimeout(err) || errors.Is(err, context.DeadlineExceeded)) {
		p.What, p.Message = "connect", hostPort(pbx.URL)+" takes the connection and does not answer"
		p.Hint = "Asterisk hangs, or is overloaded: does `asterisk -rx 'core show uptime'` answer?"
		return p
	}
	if !errors.As(err, &re) {
		p.What, p.Message = "connect", fmt.Sprintf("%s was reached, but does not answer as HTTP: %s", hostPort(pbx.URL),
			words(err))
		p.Hint = "is this the port of Asterisk's HTTP server (bindport in http.conf, 8088 unless changed)? The manager's 5038 and SIP's 5060 are others"
		return p
	}
	switch re.Status {
	case http.StatusUnauthorized:
		p.What, p.Message = "login", fmt.Sprintf("ARI refuses the user %q with this password (HTTP 401)", user)
		p.Hint = "compare [" + user + "] in ari.conf, and `asterisk -rx 'ari show users'`; after a change `asterisk -rx 'module reload res_ari.so'`"
		if kind == FreePBX {
			p.Hint = "FreePBX: Settings > Asterisk REST Interface Users: is the user there, with this password? Then Apply Config; `asterisk -rx 'ari show users'` lists them"
		}
	case http.StatusForbidden:
		p.What, p.Message = "permission", fmt.Sprintf("ARI does not let the user %q read (HTTP 403)", user)
		p.Hint = "an ACL of the HTTP server or of a proxy before it is in the way"
	case http.StatusNotFound:
		p.What, p.Message = "off", fmt.Sprintf("an HTTP server answers on %s, but no ARI under %s (HTTP 404)",
			hostPort(pbx.URL), Clean(pbx.URL))
		p.Hint = "ari.conf: enabled = yes in [general]; `asterisk -rx 'module show like res_ari'` must list res_ari_events.so as Running; the URL ends in /ari, after the prefix of http.conf if there is one"
		if kind == FreePBX {
			p.Hint = `FreePBX: Settings > Advanced Settings > "Enable the Asterisk REST Interface" = Yes, then Apply Config; the URL ends in /ari`
		}
	case http.StatusServiceUnavailable:
		p.What, p.Message, p.Hint = "off", "Asterisk is starting (HTTP 503)", "try again in a few seconds"
	default:
		p.What, p.Message = "protocol", fmt.Sprintf("what answers on %s is not ARI: HTTP %d", hostPort(pbx.URL),
			re.Status)
		p.Hint = "is this the port of Asterisk's HTTP server? FreePBX's web interface (80, 443) is another"
	}
	return p
}

// info reads what Asterisk tells of itself.
func (f *Found) info(answer []byte, pbx *configs.PBX) *Problem {
	var info struct {
		System struct {
			Version string `json:"version"`
		} `json:"system"`
		Status struct {
			Startup string `json:"startup_time"`
		} `json:"status"`
	}
	if err := json.Unmarshal(answer, &info); err != nil {
		return &Problem{What: "protocol", Message: fmt.Sprintf("what answers on %s is not ARI: it sent no JSON",
			hostPort(pbx.URL)),
			Hint: "is this the port of Asterisk's HTTP server, and does the URL end in /ari?", err: err}
	}
	// Packagers add their own: "22.10.1~dfsg+~cs6.17".
	version, _, _ := strings.Cut(Clean(info.System.Version), "~")
	version, _, _ = strings.Cut(version, "+")
	f.Product = strings.TrimSpace("Asterisk " + version)
	if at, err := time.Parse("2006-01-02T15:04:05.999-0700", info.Status.Startup); err == nil {
		f.Started = at
	}
	if major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0]); err == nil && major < 16 {
		f.Notes = append(f.Notes, f.Product+" is older than 16: textback was never tried with it")
	}
	return nil
}

// link makes the link that the daemon will make: the websocket, the read-back, and whether a filter may be set.
func (f *Found) link(ctx context.Context, kind string, pbx *configs.PBX, o ari.Options) *Problem {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var problem *Problem
	up := false
	o.Types = []string{"ChannelCreated", "ChannelDestroyed"}
	o.Notify = func(s ari.Status) {
		switch s.Kind {
		case ari.StatusUnfiltered:
			var re *ari.RESTError
			f.ReadOnly = errors.As(s.Err, &re) && re.Status == http.StatusForbidden
		case ari.StatusConnected, ari.StatusRestarted, ari.StatusUndecodable, ari.StatusUnknownType, ari.StatusLookup, ari.StatusOverflow:
		default:
			if problem == nil && ctx.Err() == nil {
				problem = &Problem{What: "events", Message: "the event stream does not come up: " + words(s.Err),
					err:  s.Err,
					Hint: "`asterisk -rx 'module show like res_ari_events'` and `... like res_http_websocket` must be Running; a proxy must let websockets through"}
				stop()
			}
		}
	}
	err := ari.Run(ctx, o, func(m ari.Message) {
		if m.Kind != ari.MessageUp {
			return
		}
		up = true
		f.Live = len(m.Snapshot.Channels)
		for i := range m.Snapshot.Channels {
			if c, ok := arrived(&m.Snapshot.Channels[i].ChannelData); ok {
				c.Found = true
				f.Add(kind, c, "a call is there now")
			}
		}
		stop()
	})
	switch {
	case err != nil:
		return &Problem{What: "url", Message: words(err), Hint: `write it as "http://127.0.0.1:8088/ari"`, err: err}
	case up:
		return nil
	case problem != nil:
		return problem
	default:
		return &Problem{What: "events", Message: "the event stream did not come up in time",
			Hint: "is Asterisk overloaded, or a proxy in between that holds websockets back?"}
	}
}

// arrived tells whether a channel is one that called the PBX, and from where.
func arrived(c *v6.ChannelData) (Call, bool) {
	tech, rest, ok := strings.Cut(c.Name, "/")
	if !ok || c.Dialplan == nil || slices.Contains([]string{"Local", "Recorder", "Snoop", "Announcer", "UnicastRTP",
		"Surrogate", "Parker", "ConfBridgeRecorder",
		"CBRec", "CBAnn", "AsyncGoto", "Message", "Bridge", "MulticastRTP", "AudioSocket", "WebSocket"}, tech) {
		return Call{}, false
	}
	if i := strings.LastIndexByte(rest, '-'); i > 0 {
		rest = rest[:i]
	}
	call := Call{Context: c.Dialplan.Context, Dialled: c.Dialplan.Exten, Endpoint: Clean(tech + "/" + rest)}
	if c.Caller != nil {
		call.Caller = c.Caller.Number
	}
	return call, call.Context != ""
}

// endpoints asks for the context of each PJSIP endpoint, and tells trunks from phones: a phone logs in (auth), textback's
// side logs in at a trunk (outbound_auth).
func (f *Found) endpoints(ctx context.Context, kind string, o ari.Options) {
	answer, err := ari.Get(ctx, o, "/endpoints", nil)
	var list []struct {
		Technology string `json:"technology"`
		Resource   string `json:"resource"`
	}
	if err != nil || json.Unmarshal(answer, &list) != nil {
		f.Notes = append(f.Notes,
			"the endpoints are not told: in which context each arrives is to be seen from a call only")
		return
	}
	others := 0
	for i, e := range list {
		if e.Technology != "PJSIP" {
			others++
			continue
		}
		if i >= mostEndpoints {
			f.Notes = append(f.Notes, fmt.Sprintf("only %d of %d endpoints were looked at", mostEndpoints, len(list)))
			break
		}
		fields, err := endpointFields(ctx, o, e.Resource)
		if err != nil {
			f.Notes = append(f.Notes, fmt.Sprintf("the context of PJSIP/%s is not told: %s", Clean(e.Resource),
				words(err)))
			if ctx.Err() != nil {
				return
			}
			continue
		}
		name := Clean(fields["context"])
		if name == "" {
			continue
		}
		x := f.context(name)
		if len(x.Endpoints) < 20 {
			x.Endpoints = append(x.Endpoints, Clean("PJSIP/"+e.Resource))
		}
		trunk := fields["outbound_auth"] != "" && fields["auth"] == ""
		switch {
		case conventional(kind, name):
			x.Outside, x.Why = true, "it is called so"
		case trunk:
			x.Outside, x.Why = true, "a trunk arrives there"
		case x.Why == "":
			x.Why = phones
		}
	}
	for i := range f.Contexts {
		slices.Sort(f.Contexts[i].Endpoints)
	}
	if others > 0 {
		f.Notes = append(f.Notes,
			fmt.Sprintf("%d endpoints are not PJSIP: in which context they arrive is to be seen from a call only",
				others))
	}
}

// endpointFields reads the settings of a PJSIP endpoint.
func endpointFields(ctx context.Context, o ari.Options, name string) (map[string]string, error) {
	if name == "" || strings.ContainsAny(name, "/?#%") {
		return nil, errors.New("its name cannot stand in a URL")
	}
	answer, err := ari.Get(ctx, o, "/asterisk/config/dynamic/res_pjsip/endpoint/"+url.PathEscape(name), nil)
	if err != nil {
		return nil, err
	}
	var list []struct {
		Attribute string `json:"attribute"`
		Value     string `json:"value"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, err
	}
	fields := make(map[string]string, len(list))
	for _, a := range list {
		fields[a.Attribute] = a.Value
	}
	return fields, nil
}

// fromDID is the variable in which FreePBX keeps the number that was dialled.
const fromDID = "FROM_DID"

func watchAsterisk(ctx context.Context, pbx *configs.PBX, up func(), seen func(Call)) error {
	o, problem := asteriskOptions(pbx)
	if problem != nil {
		return problem
	}
	o.App += "-watch"
	o.Types = []string{"ChannelCreated", "ChannelVarset"}
	o.Variable = func(name string) bool { return name == fromDID }
	first := true
	return ari.Run(ctx, o, func(m ari.Message) {
		switch e := m.Event.(type) {
		case nil:
			if m.Kind == ari.MessageUp && first {
				first = false
				up()
			}
		case *v6.ChannelCreated:
			// A leg that Asterisk makes itself begins in the state Down, one that calls in Ring.
			if c, ok := arrived(&e.Channel); ok && e.Channel.State == "Ring" {
				seen(c)
			}
		case *v6.ChannelVarset:
			if c, ok := arrived(&e.Channel); ok && isNumber(e.Value) && !isNumber(c.Dialled) {
				c.Dialled = e.Value
				seen(c)
			}
		}
	})
}

// AppInUse tells whether a program is connected under the application's name of a [[pbx]]: two of one name throw each
// other out, and Asterisk forgets the name when the connection ends (seen with 22.10.1).
func AppInUse(ctx context.Context, pbx *configs.PBX) bool {
	o, problem := asteriskOptions(pbx)
	if problem != nil || pbx.App == "" {
		return false
	}
	_, err := ari.Get(ctx, o, "/applications/"+url.PathEscape(pbx.App), nil)
	return err == nil
}

package configs

import (
	"net/netip"
	"time"

	"textback"
	"textback/rules"
)

// Config is a whole configuration, checked. It is never changed after it was read; a reload reads a new one.
type Config struct {
	File         string // where it was read from
	State        string // path of the state file
	Control      string // path of the control socket
	ControlGroup string // group that may use the control socket, "" for the daemon's own
	Syslog       Syslog
	Metrics      Metrics
	PBXs         []PBX
	SMPPs        []SMPP // in the order in which they are tried
	Set          *rules.Set
	Languages    map[string]string // of the businesses that name one, by key: BCP 47 tag, e.g. "fr"
	Notify       []Notify
	HTTP         HTTP
	Bookings     []Booking
	Records      []Records
	Report       Report
	Retention    Retention
	Backup       Backup
	Alarm        Alarm
	Warnings     []Warning // what is accepted but should be looked at
}

// PBX finds a PBX by name.
func (c *Config) PBX(name string) (PBX, bool) {
	for _, p := range c.PBXs {
		if p.Name == name {
			return p, true
		}
	}
	return PBX{}, false
}

// Syslog is the [syslog] table.
type Syslog struct {
	To            string // "local", "stderr", "none", or the word of a remote server's transport: "udp", "tcp", "tls"
	Addr          string // host:port of a remote server
	Facility      string // facility word of RFC 5424, e.g. "local0"
	FacilityCode  int    // its number, 0 to 23
	Level         string // "debug", "info", "notice", "warning", "error"
	TLSCA         string // PEM file of the authority that signed the server's certificate, "" for the system's
	TLSServerName string // name in the server's certificate, "" for the host of Addr
	pem           digest
}

// Metrics is the [metrics] table.
type Metrics struct {
	Listen string // host:port, "" switches it off
}

// Kinds of PBX.
const (
	Asterisk   = "asterisk"   // over ARI
	FreeSWITCH = "freeswitch" // over the event socket
)

// PBX is one [[pbx]]: a telephone system to listen to.
type PBX struct {
	Name     string
	Kind     string // Asterisk or FreeSWITCH
	URL      string // Asterisk: base of ARI, e.g. "http://127.0.0.1:8088/ari", no slash at its end
	Username string // Asterisk
	App      string // Asterisk: name of the ARI application
	Addr     string // FreeSWITCH: host:port of the event socket
	Password Secret

	TLS           bool   // URL is https; or the event socket stands behind TLS (a tunnel: FreeSWITCH itself has none)
	TLSCA         string // PEM file of the authority that signed the certificate, "" for the system's
	TLSServerName string // name in the certificate, "" for the host of URL or Addr
	pem           digest

	Inbound     []string           // contexts in which calls from outside arrive; * as wild card
	Trunks      []string           // endpoint names that are trunks, * as wild card; empty = any
	LineFrom    []string           // where the dialled number stands, in order
	NoTextName  string             // channel variable that keeps a caller from being texted, "" for none
	NoTextValue string             // with this value
	Region      string             // how this PBX's numbers without + are read; "" = the business's
	Rewrite     []textback.Rewrite // on caller and dialled numbers, in order
	Callback    *Callback          // nil: this PBX makes no calls back
}

// Callback tells how a PBX rings a member of staff and then the caller.
type Callback struct {
	Endpoint string        // pattern of the staff's leg; {extension} stands for the branch's extension
	Context  string        // dialplan context through which the caller is dialled
	Dial     string        // pattern of the number dialled there: {number} is E.164, {digits} the same without +
	CallerID string        // number shown to the caller; "" = the line's
	Timeout  time.Duration // for the staff to answer
	PerHour  int           // at most so many calls an hour through this PBX
}

// SMPP is one [[smpp]]: a link to a message centre.
type SMPP struct {
	Name            string
	Addr            string // host:port
	SystemID        string
	Password        Secret
	SystemType      string
	Bind            string // "transceiver" or "transmitter+receiver"
	TLS             bool
	TLSCA           string
	TLSServerName   string
	pem             digest
	Window          int     // submit_sm in flight
	Rate            float64 // submit_sm (segments) per second, 0 = as fast as the window lets
	EnquireLink     time.Duration
	ResponseTimeout time.Duration
	Receipts        bool
	Source          Address // type of number of the sender
	Destination     Address
	Numbers         string // "digits", "e164" or "national"
	ServiceType     string
	AddressRange    string
	Charset         string // what data_coding 0 means there: "gsm7" or "latin1"
	Long            string // "udh", "sar" or "payload"
	Reference       bool   // send user_message_reference
	Validity        string // form of validity_period: "relative", "absolute" or "none"
	ResendUncertain string // "never" or "grace"
	UncertainGrace  time.Duration
}

// Address is how an address is typed on the wire (SMPP 3.4, 5.2.5 and 5.2.6).
type Address struct {
	Auto     bool // by its form: letters are alphanumeric, short numbers and international ones
	TON, NPI uint8
}

// Kinds of hand-off.
const (
	Webhook = "webhook"
	Email   = "email"
	Staff   = "text"
)

// Notify is one [[notify]]: somebody, or some program, that is told.
type Notify struct {
	Name       string
	Kind       string   // Webhook, Email or Staff
	Events     []string // names, or the part before a dot for all of a family; see [Events]
	Businesses []string // empty = all

	URL          string // webhook: https, or http
	Secret       Secret // webhook: whsec_ and base64
	AllowPrivate bool   // webhook: loopback, private and link-local addresses are allowed

	To       []string // email: addresses; text: staff mobiles in E.164
	From     string   // email: sender; text: sender address, "" = the line's
	Server   string   // email: host:port
	Username string   // email
	Password Secret   // email
	StartTLS string   // email: "always", "try", "never" or "implicit" (TLS from the first byte)
	TLSCA    string   // webhook, email
}

// Wants tells whether the hand-off is told of an event of a business.
func (n *Notify) Wants(event, business string) bool {
	return matchesBusiness(n.Businesses, business) && matchesEvent(n.Events, event)
}

// HTTP is the [http] table: the listener for booking webhooks, for replies by people and for the web page.
type HTTP struct {
	Listen         string // host:port, "" switches it off
	TLSCert        string // PEM files, "" for plain HTTP
	TLSKey         string
	pem            digest
	Token          Secret         // bearer token of the reply call, at least 16 characters; unset switches that call off
	PagePassword   Secret         // of the web page, at least 12 characters; unset switches the page off
	TrustedProxies []netip.Prefix // their X-Forwarded-For is believed
	PerMinute      int            // requests a minute from one address
}

// Booking is one [[booking]]: a booking service whose webhooks are taken.
type Booking struct {
	Service  string // "cal.com" or "calendly"
	Path     string // on the HTTP listener, with a leading slash
	Secret   Secret
	Business string          // "" = told by the token or the number
	Confirm  *rules.Template // text to the caller, nil for none
}

// Records is one [[records]]: where a PBX keeps its call records, read after a gap of its link.
type Records struct {
	PBX      string
	Kind     string            // "cdr-csv", "cel-csv", "mysql", "postgres", "freeswitch-csv", "json-cdr"
	Path     string            // file, or directory of json-cdr
	DSN      Secret            // mysql, postgres
	Table    string            // mysql, postgres
	Format   string            // mysql: "cdr" or "cel" (FreePBX); postgres: "fusionpbx" or "cdr"
	Timezone *time.Location    // of times without one
	Columns  map[string]string // our word for a column to its name (databases) or number from 0 (files)
}

// Report is the [report] table.
type Report struct {
	Weekly     bool
	Day        time.Weekday
	Minute     int            // minute of the day
	Zone       *time.Location // in which Day and Minute are meant
	Notify     []string       // e-mail hand-offs that get it
	Businesses []string       // empty = all
}

// Retention is the [retention] table; 0 keeps for ever. The opt-out ledger is always kept.
type Retention struct {
	Threads time.Duration
	Calls   time.Duration
}

// Backup is the [backup] table.
type Backup struct {
	Every time.Duration // 0 switches it off
	Dir   string
	Keep  int
}

// Alarm is the [alarm] table.
type Alarm struct {
	Silence time.Duration // no event from a PBX for so long, 0 = never
	NoTexts bool          // a day with missed calls and no text
	Notify  []string      // hand-offs that are told, beside syslog
}

// Warning is something that is accepted but should be looked at.
type Warning struct {
	File    string
	Line    int
	Column  int
	Key     string
	Message string
	Hint    string
}

// String is the warning in one line, without its hint.
func (w Warning) String() string {
	return (&Error{File: w.File, Line: w.Line, Column: w.Column, Key: w.Key, Message: w.Message}).Error()
}

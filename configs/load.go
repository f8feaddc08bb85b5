package configs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"textback/rules"
)

// Options are the outside world of [Parse]. The zero value is the real one.
type Options struct {
	// ReadFile reads a file that the configuration names (a secret, an exclude list) and tells its mode.
	ReadFile func(path string) ([]byte, fs.FileMode, error)
	// Getenv reads an environment variable.
	Getenv func(name string) string
	// Mode is the mode of the configuration file itself; 0 if it is not known.
	Mode fs.FileMode
}

// Load reads and checks a file. The error is [Errors], or one of the operating system.
func Load(path string) (*Config, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	f, err := os.Open(abs)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(abs, data, Options{Mode: info.Mode()})
}

// Parse checks the bytes of a file; name is used in errors, and relative paths are relative to its folder. The error is
// [Errors].
func Parse(name string, data []byte, o Options) (*Config, error) {
	root, bad := parseDocument(name, data)
	if bad != nil {
		return nil, Errors{bad}
	}
	c := &checker{file: name, options: o, fileReadable: o.Mode.Perm()&0o004 != 0}
	config := c.config(root)
	if err := c.result(); err != nil {
		return nil, err
	}
	config.Warnings = c.warnings
	return config, nil
}

// config checks the whole file, in an order in which everything that is referred to is known.
func (c *checker) config(root *table) *Config {
	s := c.section(root, "")
	config := &Config{
		File:         c.file,
		State:        s.absolute("state", defaultState),
		Control:      s.socket("control", defaultControl),
		ControlGroup: s.str("control_group", ""),
	}
	config.Syslog = readSyslog(s)
	config.Metrics = readMetrics(s)
	config.PBXs = readPBXs(s)
	config.SMPPs = readSMPPs(s)

	set := &rules.Set{Businesses: map[string]*rules.Business{}, Templates: map[string]*rules.Template{}}
	config.Set = set
	config.Languages = map[string]string{}
	b := &builder{checker: c, config: config, set: set, excludes: map[string][]exclusion{}}
	b.policies(s)
	b.businesses(s)
	b.lines(s)
	b.templates(s)
	b.rules(s)
	config.Notify = b.notifies(s)
	b.replies(s)
	config.HTTP = readHTTP(s, config.Metrics.Listen)
	config.Bookings = b.bookings(s)
	config.Records = b.records(s)
	config.Report = b.report(s)
	config.Retention = readRetention(s)
	config.Backup = readBackup(s, config.State)
	config.Alarm = b.alarm(s)
	s.done()
	b.lint()
	return config
}

// builder holds what the sections need of each other.
type builder struct {
	*checker
	config     *Config
	set        *rules.Set
	global     policy
	layers     map[string]policy      // of the businesses, by key
	links      map[string]string      // the [[smpp]] of the businesses that name one, by key
	excludes   map[string][]exclusion // files read, by path
	linePlaces []*section             // of the lines of the set

	badTemplates   map[string]bool       // that were refused
	templatePlaces map[string][]position // of the variants, by name
	replyPlaces    map[string]position   // of the [[reply]] texts, by name
}

// longestSocket is what the address of a unix socket has room for, in bytes (unix(7): sun_path, with a zero at its end).
const longestSocket = 107

// socket reads the path of a socket that textback makes.
func (s *section) socket(key, otherwise string) string {
	path := s.absolute(key, otherwise)
	if len(path) > longestSocket {
		s.bad(key, fmt.Sprintf("the path of a socket has room for %d bytes, this one has %d", longestSocket, len(path)),
			fmt.Sprintf("write a shorter one, like %q", otherwise))
	}
	return path
}

// absolute reads the path of a file that textback makes.
func (s *section) absolute(key, otherwise string) string {
	path := s.path(s.str(key, otherwise))
	if path == "" {
		s.bad(key, "is empty", fmt.Sprintf("write %s = %q", key, otherwise))
	}
	return path
}

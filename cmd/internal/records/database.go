package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// queryTime bounds one reading of a database.
const queryTime = 60 * time.Second

// database is one kind of SQL.
type database struct {
	db       *sql.DB
	secrets  []string
	quote    string // of names
	holder   func(n int) string
	text     string // turns a column into text
	schema   string // the expression for the current schema, for the list of columns
	readOnly bool
}

// readDatabase reads the records of calls that began in [since - before, until) from a database.
func readDatabase(ctx context.Context, c *collector, s Source, since, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	d, err := openDatabase(s)
	if err != nil {
		return err
	}
	defer d.db.Close()
	if err := d.read(ctx, c, s, since, until); err != nil {
		return d.scrub(fmt.Errorf("read the records from table %s: %w", s.Table, err))
	}
	return nil
}

// errDSN stands for the driver's own error, which may repeat the connection string and with it the password.
var errDSN = errors.New("the connection string of [[records]] cannot be read")

func openDatabase(s Source) (*database, error) {
	dsn := s.DSN.Reveal()
	if s.Kind == Postgres {
		conf, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, fmt.Errorf("%w: write postgres://user:password@host/database", errDSN)
		}
		conf.RuntimeParams["default_transaction_read_only"] = "on"
		conf.RuntimeParams["application_name"] = "textback"
		conf.ConnectTimeout = 10 * time.Second
		return &database{db: stdlib.OpenDB(*conf), secrets: []string{dsn, conf.Password}, quote: `"`, text: "CAST(%s AS text)",
			holder: func(n int) string { return fmt.Sprintf("$%d", n) }, schema: "current_schema()", readOnly: true}, nil
	}
	conf, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: write user:password@tcp(host:3306)/asteriskcdrdb", errDSN)
	}
	conf.ParseTime = false // times have no zone there: ours is the one of the configuration
	conf.Timeout, conf.ReadTimeout = 10*time.Second, queryTime
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, fmt.Errorf("%w: write user:password@tcp(host:3306)/asteriskcdrdb", errDSN)
	}
	return &database{db: sql.OpenDB(connector), secrets: []string{dsn, conf.Passwd}, quote: "`", text: "%s",
		holder: func(int) string { return "?" }, schema: "DATABASE()"}, nil
}

// scrub takes secrets out of an error.
func (d *database) scrub(err error) error {
	text := err.Error()
	for _, secret := range d.secrets {
		if len(secret) > 0 && strings.Contains(text, secret) {
			return errors.New(strings.ReplaceAll(text, secret, "***"))
		}
	}
	return err
}

func (d *database) name(n string) string {
	parts := strings.Split(n, ".")
	for i, p := range parts {
		parts[i] = d.quote + strings.ReplaceAll(p, d.quote, "") + d.quote
	}
	return strings.Join(parts, ".")
}

func (d *database) read(ctx context.Context, c *collector, s Source, since, until time.Time) error {
	d.db.SetMaxOpenConns(1)
	have, err := d.columns(ctx, s.Table)
	if err != nil {
		return err
	}
	var words, chosen []string
	for word, column := range c.layout.columns {
		if _, ok := have[column]; ok {
			words = append(words, word)
		} else if s.Columns[word] == column {
			return fmt.Errorf("there is no column %q", column)
		}
	}
	slices.Sort(words)
	for _, word := range words {
		chosen = append(chosen, fmt.Sprintf(d.text, d.name(c.layout.columns[word])))
	}
	for _, word := range []string{"id", "start"} {
		if !slices.Contains(words, word) {
			return fmt.Errorf("there is no column %q: name yours in the table columns", c.layout.columns[word])
		}
	}
	start := c.layout.columns["start"]
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s >= %s AND %s < %s LIMIT %d", strings.Join(chosen, ", "), d.name(s.Table),
		d.name(start), d.holder(1), d.name(start), d.holder(2), maxRows+1)
	rows, err := d.db.QueryContext(ctx, query, d.moment(since.Add(-before), s.Timezone, have[start]),
		d.moment(until.Add(time.Minute), s.Timezone, have[start]))
	if err != nil {
		return err
	}
	defer rows.Close()
	values := make([]sql.NullString, len(words))
	into := make([]any, len(words))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		err := c.row(func(word string) string {
			if i, ok := slices.BinarySearch(words, word); ok && len(values[i].String) <= maxLine {
				return values[i].String
			}
			return ""
		})
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// moment is a bound in the form in which a column holds times: seconds since 1970, with a zone, or the PBX's wall clock.
func (d *database) moment(t time.Time, zone *time.Location, kind string) any {
	if t.Year() < 1971 {
		t = time.Unix(0, 0)
	}
	switch {
	case strings.Contains(kind, "int") || kind == "numeric" || kind == "decimal" || strings.Contains(kind, "double"):
		return t.Unix()
	case strings.Contains(kind, "with time zone"):
		return t
	case d.readOnly: // PostgreSQL: a timestamp without zone
		w := t.In(zone)
		return time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, time.UTC)
	default:
		return t.In(zone).Format(time.DateTime)
	}
}

// columns are the columns of a table with their types: installations differ, and so do versions.
func (d *database) columns(ctx context.Context, table string) (map[string]string, error) {
	schema, name, found := strings.Cut(table, ".")
	where, args := d.schema, []any{}
	if !found {
		name = table
	} else {
		where, args = d.holder(1), []any{schema}
	}
	args = append(args, name)
	rows, err := d.db.QueryContext(ctx, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = "+
		where+" AND table_name = "+d.holder(len(args)), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := make(map[string]string)
	for rows.Next() {
		var column, kind string
		if err := rows.Scan(&column, &kind); err != nil {
			return nil, err
		}
		have[column] = strings.ToLower(kind)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(have) == 0 {
		return nil, errors.New("there is no such table, or this user may not read it")
	}
	return have, nil
}

package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"textback/configs"
)

// The schemas: FreePBX 16 (framework/amp_conf, cdr module) and FusionPBX 5 (app/xml_cdr/app_config.php), as far as used and
// with a column beside each kind.
const freepbxSchema = "CREATE TABLE cdr (calldate datetime NOT NULL DEFAULT '0000-00-00 00:00:00', clid varchar(80) NOT NULL DEFAULT '', " +
	"src varchar(80) NOT NULL DEFAULT '', dst varchar(80) NOT NULL DEFAULT '', dcontext varchar(80) NOT NULL DEFAULT '', " +
	"channel varchar(80) NOT NULL DEFAULT '', dstchannel varchar(80) NOT NULL DEFAULT '', lastapp varchar(80) NOT NULL DEFAULT '', " +
	"lastdata varchar(80) NOT NULL DEFAULT '', duration int(11) NOT NULL DEFAULT 0, billsec int(11) NOT NULL DEFAULT 0, " +
	"disposition varchar(45) NOT NULL DEFAULT '', amaflags int(11) NOT NULL DEFAULT 0, accountcode varchar(20) NOT NULL DEFAULT '', " +
	"uniqueid varchar(32) NOT NULL DEFAULT '', userfield varchar(255) NOT NULL DEFAULT '', did varchar(50) NOT NULL DEFAULT '', " +
	"recordingfile varchar(255) NOT NULL DEFAULT '', cnum varchar(80) NOT NULL DEFAULT '', cnam varchar(80) NOT NULL DEFAULT '', " +
	"linkedid varchar(32) NOT NULL DEFAULT '', peeraccount varchar(80) NOT NULL DEFAULT '', sequence int(11) NOT NULL DEFAULT 0, " +
	"KEY calldate (calldate), KEY uniqueid (uniqueid), KEY did (did));" +
	"CREATE TABLE cel (id int(11) NOT NULL AUTO_INCREMENT, eventtype varchar(30) NOT NULL, eventtime datetime(6) NOT NULL, " +
	"cid_name varchar(80) NOT NULL, cid_num varchar(80) NOT NULL, cid_ani varchar(80) NOT NULL DEFAULT '', " +
	"cid_rdnis varchar(80) NOT NULL DEFAULT '', cid_dnid varchar(80) NOT NULL DEFAULT '', exten varchar(80) NOT NULL, " +
	"context varchar(80) NOT NULL, channame varchar(80) NOT NULL, appname varchar(80) NOT NULL, appdata varchar(255) NOT NULL DEFAULT '', " +
	"amaflags int(11) NOT NULL DEFAULT 0, accountcode varchar(20) NOT NULL DEFAULT '', uniqueid varchar(32) NOT NULL, " +
	"linkedid varchar(32) NOT NULL, peer varchar(80) NOT NULL, userdeftype varchar(255) NOT NULL DEFAULT '', extra varchar(512) NOT NULL, " +
	"PRIMARY KEY (id), KEY uniqueid_index (uniqueid), KEY linkedid_index (linkedid));"

const fusionpbxSchema = `CREATE TABLE v_xml_cdr (xml_cdr_uuid uuid PRIMARY KEY, domain_uuid uuid, direction text, context text,
	caller_id_name text, caller_id_number text, caller_destination text, destination_number text, start_epoch numeric,
	start_stamp timestamptz, answer_stamp timestamptz, answer_epoch numeric, end_epoch numeric, end_stamp timestamptz, duration numeric,
	mduration numeric, billsec numeric, billmsec numeric, bridge_uuid text, leg char(1), last_app text, last_arg text,
	voicemail_message boolean, missed_call boolean, cc_side text, cc_queue_joined_epoch numeric, cc_queue text,
	cc_queue_answered_epoch numeric, cc_queue_canceled_epoch numeric, cc_cancel_reason text, cc_cause text, waitsec numeric,
	conference_uuid uuid, hangup_cause text, hangup_cause_q850 numeric, sip_hangup_disposition text, json jsonb)`

const dbPassword = "s3cret-of-the-database"

// runDaemon starts a server, and stops it at the end of the test.
func runDaemon(t *testing.T, stop syscall.Signal, name string, attr *syscall.SysProcAttr, arg ...string) {
	t.Helper()
	var log strings.Builder
	cmd := exec.Command(name, arg...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &log, &log, attr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(stop)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

// asUser runs a server as a system user if we are root: PostgreSQL refuses to be.
func asUser(t *testing.T, name string, dirs ...string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, dir := range dirs {
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// needDatabases skips unless real servers are wanted; then they have to be there.
func needDatabases(t *testing.T) string {
	t.Helper()
	if os.Getenv("TEXTBACK_DB") == "" {
		t.Skip("set TEXTBACK_DB=1; .ci/records/install.sh installs the servers")
	}
	dir, err := os.MkdirTemp("", "tbdb") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func awaitDatabase(t *testing.T, db *sql.DB) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		err := db.Ping()
		if err == nil {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal(err)
		}
	}
}

// startMariaDB runs a MariaDB with FreePBX's tables; dsn is that of a user who may read them.
func startMariaDB(t *testing.T) (admin *sql.DB, dsn func(password string) string) {
	dir := needDatabases(t)
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "s")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	attr := asUser(t, "mysql", dir, data)
	install := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	install.SysProcAttr = attr
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runDaemon(t, syscall.SIGTERM, "/usr/sbin/mariadbd", attr, "--no-defaults", "--datadir="+data, "--socket="+socket, "--skip-networking",
		"--pid-file="+filepath.Join(dir, "pid"), "--sql-mode=", "--innodb-buffer-pool-size=16M", "--innodb-flush-method=fsync")
	conf := mysql.NewConfig()
	conf.User, conf.Net, conf.Addr, conf.MultiStatements = "root", "unix", socket, true
	open := func(c *mysql.Config) *sql.DB {
		connector, err := mysql.NewConnector(c)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		t.Cleanup(func() { db.Close() })
		return db
	}
	root := open(conf)
	awaitDatabase(t, root)
	for _, statement := range []string{"CREATE DATABASE asteriskcdrdb", "USE asteriskcdrdb; " + freepbxSchema,
		"CREATE USER textback@localhost IDENTIFIED BY '" + dbPassword + "'; GRANT SELECT ON asteriskcdrdb.* TO textback@localhost"} {
		if _, err := root.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	with := *conf
	with.DBName = "asteriskcdrdb"
	return open(&with), func(password string) string {
		return fmt.Sprintf("textback:%s@unix(%s)/asteriskcdrdb?parseTime=true&loc=Local", password, socket)
	}
}

// insert fills a table with rows of our words; by maps words to columns.
func insert(t *testing.T, db *sql.DB, table string, holder func(int) string, columns []string, rows [][]any) {
	t.Helper()
	holders := make([]string, len(columns))
	for i := range holders {
		holders[i] = holder(i + 1)
	}
	statement := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(holders, ", "))
	for _, row := range rows {
		if _, err := db.Exec(statement, row...); err != nil {
			t.Fatalf("%v: %v", row, err)
		}
	}
}

// The rows are those that a real Asterisk wrote: what FreePBX's Asterisk puts into its MariaDB through ODBC.
func TestFreePBXsMariaDBTellsTheSameAsTheFiles(t *testing.T) {
	db, dsn := startMariaDB(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	wall := func(s string) any {
		at, ok := readTime(s, time.UTC)
		if !ok {
			return nil
		}
		return at.In(zone).Format("2006-01-02 15:04:05.000000")
	}
	// FreePBX notes what was dialled when a call arrives, in all of the call's records.
	dids := make(map[string]string)
	for line := range strings.Lines(unpack(t, "asterisk-22", "cel.csv.gz")) {
		if f := fields(strings.TrimRight(line, "\n")); f[0] == "CHAN_START" && f[8] == "from-trunk" && f[14] == f[15] && strings.HasPrefix(f[7], "+") {
			dids[f[14]] = f[7]
		}
	}
	var cdrs, cels [][]any
	for line := range strings.Lines(unpack(t, "asterisk-22", "cdr-full.csv.gz")) {
		f := fields(strings.TrimRight(line, "\n"))
		cdrs = append(cdrs, []any{wall(f[8]), f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[11], f[12], f[13], f[16], f[18], dids[f[16]]})
	}
	for line := range strings.Lines(unpack(t, "asterisk-22", "cel.csv.gz")) {
		f := fields(strings.TrimRight(line, "\n"))
		cels = append(cels, []any{f[0], wall(f[1]), f[2], f[3], f[7], f[8], f[9], f[10], f[14], f[15], f[16], f[19]})
	}
	question := func(int) string { return "?" }
	insert(t, db, "cdr", question, []string{"calldate", "clid", "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "lastdata", "duration",
		"billsec", "disposition", "uniqueid", "linkedid", "did"}, cdrs)
	insert(t, db, "cel", question, []string{"eventtype", "eventtime", "cid_name", "cid_num", "exten", "context", "channame", "appname", "uniqueid",
		"linkedid", "peer", "extra"}, cels)
	source := func(format, password string) Source {
		return Source{Records: configs.Records{PBX: "hq", Kind: MySQL, Format: format, Table: format, Timezone: zone,
			DSN: configs.NewSecret(dsn(password))}, Inbound: []string{"from-trunk*"}}
	}
	since, until := time.Date(2026, 11, 24, 19, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 21, 0, 0, 0, time.UTC)
	for _, x := range []struct{ format, kind, file string }{{"cdr", CDRCSV, "cdr.csv.gz"}, {"cel", CELCSV, "cel.csv.gz"}} {
		r, err := Read(context.Background(), source(x.format, dbPassword), since, until)
		if err != nil {
			t.Fatal(err)
		}
		s := check(t, r.Calls, readTruth(t, "asterisk-22"))
		if file := readString(t, asterisk(x.kind), unpack(t, "asterisk-22", x.file)); len(r.Calls) < len(file.Calls) || r.Skipped > 0 {
			t.Errorf("%s: %d calls, in the file %d; %d skipped", x.format, len(r.Calls), len(file.Calls), r.Skipped)
		}
		if s.found < 59 {
			t.Errorf("%s: only %d calls were found", x.format, s.found)
		}
		// Bounds of the time, in the PBX's own zone.
		some, err := Read(context.Background(), source(x.format, dbPassword), r.Calls[3].End, r.Calls[6].End)
		if err != nil || len(some.Calls) != 3 {
			t.Errorf("%s: a part of the time gives %d calls, %v", x.format, len(some.Calls), err)
		}
	}
	t.Run("errors name the cause and no secret", func(t *testing.T) {
		for name, s := range map[string]Source{"password": source("cdr", "wrong-"+dbPassword), "table": source("calls", dbPassword)} {
			_, err := Read(context.Background(), s, since, until)
			if err == nil || strings.Contains(err.Error(), dbPassword) {
				t.Errorf("%s: %v", name, err)
			}
		}
		wrong := source("cdr", dbPassword)
		wrong.Columns = map[string]string{"caller": "no_such_column"}
		if _, err := Read(context.Background(), wrong, since, until); err == nil || !strings.Contains(err.Error(), "no_such_column") {
			t.Errorf("a column that is not there: %v", err)
		}
	})
}

// The rows are those of the recorded calls of a real FreeSWITCH, as FusionPBX's import of its records fills the table.
func TestFusionPBXsPostgreSQLNeverTakesAnAnsweredCallForMissed(t *testing.T) {
	dir := needDatabases(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	attr := asUser(t, "postgres", dir, data)
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		t.Fatal("there is no PostgreSQL; .ci/records/install.sh installs it")
	}
	bin := filepath.Dir(found[len(found)-1])
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	hba := "local all postgres trust\nlocal all all scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	runDaemon(t, syscall.SIGINT, filepath.Join(bin, "postgres"), attr, "-D", data, "-k", dir, "-h", "", "-c", "fsync=off")
	conf, err := pgx.ParseConfig("host=" + dir + " user=postgres dbname=postgres sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	db := openPgx(t, conf)
	awaitDatabase(t, db)
	for _, statement := range []string{fusionpbxSchema, "CREATE ROLE textback LOGIN PASSWORD '" + dbPassword + "'",
		"GRANT SELECT ON v_xml_cdr TO textback"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	var rows [][]any
	for line := range strings.Lines(unpack(t, "freeswitch-1.10", "json-cdr.jsonl.gz")) {
		l, err := parseJSON([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if l.direction != "inbound" || strings.HasPrefix(l.channel, "loopback/") || strings.HasPrefix(l.bridgeName, "loopback/") {
			continue // FusionPBX stores the callers' legs, and its dialplan transfers to a mailbox: it bridges no loopback leg
		}
		direction := "inbound"
		if l.context != "public" {
			direction = "local"
		}
		null := func(at time.Time) any {
			if at.IsZero() {
				return nil
			}
			return at.Unix()
		}
		var queue any
		if l.queueAnswered {
			queue = l.answer.Unix()
		}
		rows = append(rows, []any{l.id, direction, "acme.example.com", l.name, l.caller, l.dialled[0], l.dialled[len(l.dialled)-1],
			l.start.Unix(), null(l.answer), l.end.Unix(), int(l.end.Sub(l.start).Seconds()), int(l.talked.Seconds()), l.bridge, "a", l.app,
			l.message, false, queue, l.queueCancel, l.queueCause, l.cause, l.disposition})
	}
	insert(t, db, "v_xml_cdr", func(n int) string { return fmt.Sprintf("$%d", n) }, []string{"xml_cdr_uuid", "direction", "context", "caller_id_name",
		"caller_id_number", "caller_destination", "destination_number", "start_epoch", "answer_epoch", "end_epoch", "duration", "billsec",
		"bridge_uuid", "leg", "last_app", "voicemail_message", "missed_call", "cc_queue_answered_epoch", "cc_cancel_reason", "cc_cause",
		"hangup_cause", "sip_hangup_disposition"}, rows)
	source := func(password string) Source {
		return Source{Records: configs.Records{PBX: "branch", Kind: Postgres, Format: "fusionpbx", Table: "v_xml_cdr", Timezone: time.UTC,
			DSN: configs.NewSecret("host=" + dir + " user=textback password=" + password + " dbname=postgres sslmode=disable")},
			Inbound: []string{"public"}}
	}
	since, until := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	r, err := Read(context.Background(), source(dbPassword), since, until)
	if err != nil {
		t.Fatal(err)
	}
	if s := check(t, r.Calls, readTruth(t, "freeswitch-1.10")); s.found < 53 || r.Skipped > 0 {
		t.Errorf("%d calls were found, %d records skipped", s.found, r.Skipped)
	}
	_, err = Read(context.Background(), source("wrong-"+dbPassword), since, until)
	if err == nil || strings.Contains(err.Error(), dbPassword) {
		t.Errorf("a wrong password: %v", err)
	}
	broken := source("x")
	broken.DSN = configs.NewSecret("postgres://textback:" + dbPassword + "@[::1/nowhere")
	if _, err := Read(context.Background(), broken, since, until); !errors.Is(err, errDSN) || strings.Contains(err.Error(), dbPassword) {
		t.Errorf("a broken connection string: %v", err)
	}
}

func openPgx(t *testing.T, conf *pgx.ConnConfig) *sql.DB {
	t.Helper()
	db := stdlib.OpenDB(*conf)
	t.Cleanup(func() { db.Close() })
	return db
}

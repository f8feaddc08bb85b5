package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// serve runs a server on a socket in a fresh folder and returns its path.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the socket is still there after the server has ended: %v", err)
		}
	})
	return path
}

type echo struct{ Number, Source string }

func testServer() *Server {
	return &Server{
		Handlers: map[string]Handler{
			"echo": func(_ context.Context, r *Request) (any, error) {
				var a echo
				if err := r.Decode(&a); err != nil {
					return nil, err
				}
				a.Source = fmt.Sprint(r.UID)
				return a, nil
			},
			"refuse": func(context.Context, *Request) (any, error) {
				return nil, fmt.Errorf("opt out +12025550123: %w",
					&Error{Code: "no-line", Message: "no such line", Hint: "see textback check"})
			},
			"panic": func(context.Context, *Request) (any, error) { panic("nil map") },
		},
		Streamers: map[string]Streamer{
			"backup": func(_ context.Context, _ *Request, w io.Writer) error {
				for range 1000 {
					if _, err := w.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
						return err
					}
				}
				return nil
			},
			"empty": func(context.Context, *Request, io.Writer) error { return nil },
			"fail-late": func(_ context.Context, _ *Request, w io.Writer) error {
				io.WriteString(w, "half")
				return errors.New("disk gone")
			},
			"fail-soon": func(context.Context, *Request, io.Writer) error { return errors.New("nothing to back up") },
		},
		Receivers: map[string]Receiver{
			"import": func(_ context.Context, body io.Reader) (any, error) {
				b := make([]byte, 5)
				if _, err := io.ReadFull(body, b); err != nil || string(b) != "good\n" {
					return nil, &Error{Message: "line 1 is bad"}
				}
				return io.Copy(io.Discard, body)
			},
		},
	}
}

func TestACallReachesItsVerbAndItsReplyComesBack(t *testing.T) {
	c := NewClient(serve(t, testServer()))
	var got echo
	if err := c.Call(t.Context(), "echo", echo{Number: "+12025550123"}, &got); err != nil {
		t.Fatal(err)
	}
	if want := (echo{"+12025550123", fmt.Sprint(os.Getuid())}); got != want {
		t.Errorf("reply %+v, want %+v", got, want)
	}
}

func TestErrorsKeepTheirWords(t *testing.T) {
	srv := testServer()
	var panicked string
	srv.Panicked = func(verb string, v any, stack []byte) {
		panicked = fmt.Sprintf("%s: %v in %t", verb, v, bytes.Contains(stack, []byte("control_test.go")))
	}
	c := NewClient(serve(t, srv))
	for _, tt := range []struct {
		verb       string
		args       any
		want, hint string
	}{
		{"refuse", nil, "opt out +12025550123: no such line", "see textback check"},
		{"echo", map[string]any{"Nmber": 1}, `arguments of echo: json: unknown field "Nmber"`, ""},
		{"dance", nil, `the running textback does not know "dance"`,
			"it is of another version than the command; it knows echo panic refuse backup empty fail-late fail-soon import"},
		{"panic", nil, "panic failed inside; the log has the details", ""},
		{"echo", strings.Repeat("x", MaxArgs), "the arguments of echo are over 8388608 bytes", ""},
	} {
		err := c.Call(t.Context(), tt.verb, tt.args, nil)
		if err == nil || err.Error() != tt.want || Hint(err) != tt.hint {
			t.Errorf("%s: error %v, hint %q; want %q, %q", tt.verb, err, Hint(err), tt.want, tt.hint)
		}
	}
	if panicked != "panic: nil map in true" {
		t.Errorf("told of the panic: %q", panicked)
	}
}

func TestAStreamComesWholeOrSaysThatItIsCut(t *testing.T) {
	c := NewClient(serve(t, testServer()))
	for _, tt := range []struct {
		verb string
		n    int
		want string
	}{
		{"backup", 1_000_000, ""},
		{"empty", 0, ""},
		{"fail-late", 4, "disk gone"},
		{"fail-soon", 0, "nothing to back up"},
	} {
		var out bytes.Buffer
		err := c.Stream(t.Context(), tt.verb, nil, &out)
		if got := fmt.Sprint(err); out.Len() != tt.n || (tt.want == "" && err != nil) || (tt.want != "" && got != tt.want) {
			t.Errorf("%s: %d bytes, %v; want %d, %q", tt.verb, out.Len(), err, tt.n, tt.want)
		}
	}
}

func TestALongListIsTakenAsItComesAndARefusalIsReadBehindIt(t *testing.T) {
	c := NewClient(serve(t, testServer()))
	const n = 3 * MaxArgs
	var got int
	if err := c.Send(t.Context(), "import", io.MultiReader(strings.NewReader("good\n"), io.LimitReader(zeros{}, n)), &got); err != nil || got != n {
		t.Errorf("%d bytes were taken: %v", got, err)
	}
	if err := c.Send(t.Context(), "import", io.LimitReader(zeros{}, n), nil); err == nil || err.Error() != "line 1 is bad" {
		t.Errorf("a bad list: %v", err)
	}
	if err := c.Send(t.Context(), "import", io.MultiReader(strings.NewReader("good\n"), io.LimitReader(zeros{}, MaxSent)), nil); err == nil ||
		!strings.Contains(err.Error(), "over 1073741824 bytes") {
		t.Errorf("too long a list: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAStreamThatEndsWithTheConnectionIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		http.ReadRequest(newReader(conn))
		// A proper end of the chunks, but no word that this was all.
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n")
		conn.Close()
	}()
	err = NewClient(path).Stream(t.Context(), "backup", nil, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "the stream was cut") {
		t.Errorf("error %v", err)
	}
}

func TestADeadDaemonsSocketIsTakenOverAndALivingOnesIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()

	if err := NewClient(path).Call(t.Context(), "echo", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a call to a dead socket: %v", err)
	}
	l, err := Listen(path, "")
	if err != nil {
		t.Fatalf("take over a dead socket: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v; want 0660", info.Mode(), err)
	}
	if _, err := Listen(path, ""); !errors.Is(err, ErrInUse) {
		t.Errorf("a second daemon: %v", err)
	}
	l.Close()
	if err := NewClient(path).Call(t.Context(), "echo", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a call after the end: %v", err)
	}
}

func TestAClosingDaemonLeavesItsSuccessorsSocketAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	first, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	second, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's socket: %v", err)
	}
}

func TestWhatIsNotASocketIsNeverRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, ""); err == nil || !strings.Contains(err.Error(), "something else in its place") {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file has become %q", b)
	}
}

func TestListenSaysWhatIsWrongWithTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ path, group, want string }{
		{filepath.Join(dir, "none", "s"), "", "does not exist"},
		{filepath.Join(dir, "s"), "no-such-group-here", `there is no group "no-such-group-here"`},
		{"/" + strings.Repeat("x", 120), "", "longer than 103 bytes"},
	} {
		if _, err := Listen(tt.path, tt.group); err == nil || !strings.Contains(err.Error(), tt.want) || Hint(err) == "" {
			t.Errorf("%s: %v, hint %q", tt.path, err, Hint(err))
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPermissionDeniedNamesTheGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, nil, 0o660); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(path, 0, 8); err != nil {
			t.Fatal(err)
		}
	}
	// The file's mode does not keep root out, so the connection's error is made here.
	err := NewClient(path).explain("status", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if err.Error() != "control socket "+path+": permission denied" {
		t.Errorf("error %v", err)
	}
	if group := groupOf(path); group != "root" && !strings.Contains(Hint(err), "usermod -aG "+group) {
		t.Errorf("hint %q for group %q", Hint(err), group)
	}
}

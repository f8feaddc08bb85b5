package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probeSandbox tries from inside a service what somebody who took it over would try, and prints a line for each: what it
// was, and "denied" or "allowed". It harms nothing where it is allowed.
func probeSandbox() {
	for _, p := range probes() {
		word := "denied"
		err := p.try()
		if err == nil {
			word = "allowed"
		}
		fmt.Printf("probe %s %s %v\n", p.name, word, err)
	}
}

type probe struct {
	name string
	try  func() error
}

func probes() []probe {
	write := func(path string) func() error {
		return func() error { return os.WriteFile(path, []byte("x"), 0o600) }
	}
	read := func(path string) func() error {
		return func() error { _, err := os.ReadFile(path); return err }
	}
	folder := func(path string) func() error {
		return func() error { _, err := os.ReadDir(path); return err }
	}
	open := func(path string) func() error {
		return func() error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err == nil {
				f.Close()
			}
			return err
		}
	}
	socket := func(domain, kind, proto int) func() error {
		return func() error {
			fd, err := unix.Socket(domain, kind, proto)
			if err == nil {
				unix.Close(fd)
			}
			return err
		}
	}
	return []probe{
		// What it needs.
		{"write-state", write("/var/lib/textback/probe")},
		{"write-runtime", write("/run/textback/probe")},
		{"write-tmp", write("/tmp/probe")},
		{"socket-inet", socket(unix.AF_INET, unix.SOCK_STREAM, 0)},
		{"socket-inet6", socket(unix.AF_INET6, unix.SOCK_STREAM, 0)},
		{"socket-unix", socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)},
		{"read-configuration", read("/etc/textback/textback.toml")},
		// What any user may do, and it may not.
		{"socket-netlink", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)},
		{"socket-vsock", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
		{"user-namespace", func() error { return syscall.Unshare(syscall.CLONE_NEWUSER) }},
		{"write-execute-memory", func() error {
			m, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			if err == nil {
				err = unix.Munmap(m)
			}
			return err
		}},
		{"personality", func() error {
			if _, _, e := unix.Syscall(unix.SYS_PERSONALITY, 0x0040000, 0, 0); e != 0 { // ADDR_NO_RANDOMIZE
				return e
			}
			return nil
		}},
		{"set-user-id-file", func() error {
			path := filepath.Join(os.TempDir(), "probe-suid")
			if err := os.WriteFile(path, nil, 0o755); err != nil {
				return err
			}
			return unix.Chmod(path, 0o4755)
		}},
		{"keyring", func() error {
			_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true)
			return err
		}},
		{"read-clock-state", func() error { _, err := unix.Adjtimex(&unix.Timex{}); return err }},
		{"trace", func() error {
			if _, _, e := unix.Syscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0); e != 0 {
				return e
			}
			return nil
		}},
		{"kernel-messages", func() error { _, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil); return err }},
		{"see-other-processes", func() error { _, err := os.ReadFile("/proc/1/cmdline"); return err }},
		{"see-system-files-of-proc", read("/proc/cpuinfo")},
		{"see-home", folder("/home")},
		// What only root may do.
		{"write-etc", write("/etc/probe")},
		{"write-usr", write("/usr/probe")},
		{"write-var", write("/var/lib/probe")},
		{"write-configuration", write("/etc/textback/probe")},
		{"read-shadow", read("/etc/shadow")},
		{"see-root-home", folder("/root")},
		{"open-kernel-memory", open("/dev/mem")},
		{"open-kvm", open("/dev/kvm")},
		{"write-sysctl", open("/proc/sys/kernel/hostname")},
		{"write-cgroup", open("/sys/fs/cgroup/cgroup.procs")},
		{"become-root", func() error { return syscall.Setuid(0) }},
		{"mount", func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") }},
		{"socket-packet", socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
		{"host-name", func() error { return unix.Sethostname([]byte("probe")) }},
		{"load-module", func() error {
			if _, _, e := unix.Syscall(unix.SYS_INIT_MODULE, uintptr(unsafe.Pointer(&[]byte{0}[0])), 0, 0); e != 0 {
				return e
			}
			return nil
		}},
	}
}

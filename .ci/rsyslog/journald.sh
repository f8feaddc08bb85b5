#!/bin/sh
# Starts a real systemd-journald in a mount namespace of its own (its sockets have fixed places under /run), and lets the
# log's test write to its local socket and read the journal. Needs root; the host's journal is not touched.
set -eu
cd "$(dirname "$0")/../.."
journald=/lib/systemd/systemd-journald
if [ ! -x "$journald" ]; then
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends systemd >/dev/null
fi
test=$(mktemp)
trap 'rm -f "$test"' EXIT
go test -c -o "$test" ./cmd/internal/syslog
unshare --mount sh -eu -c '
	mount -t tmpfs none /run
	mkdir -p /run/systemd/journal /run/log/journal
	'"$journald"' 2>/dev/null & pid=$!
	trap "kill $pid" EXIT
	for i in $(seq 50); do [ -S /run/systemd/journal/dev-log ] && break; sleep 0.1; done
	TEXTBACK_JOURNALD=/run/log/journal "$0" -test.v -test.run Journald' "$test"

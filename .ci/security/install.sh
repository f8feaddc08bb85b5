#!/bin/sh
# Installs systemd as a program and what the tests that TEXTBACK_SYSTEMD=1
# switches on use beside it. No service of the machine is started.
set -eu
if command -v systemd-analyze >/dev/null && [ -x /lib/systemd/systemd ] && command -v nsenter >/dev/null &&
	command -v setpriv >/dev/null; then
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends systemd util-linux libseccomp2 >/dev/null
systemd-analyze --version | head -1

#!/bin/sh
# Installs exim4 (a real mail server, Debian's default), for the test that TEXTBACK_MAIL=1 switches on. The test starts it
# itself, with a configuration of its own on loopback ports and a folder as mailbox; the system's service is not touched.
set -eu
if [ -x /usr/sbin/exim4 ]; then
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
	# The package would start its service, which containers have no use for.
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get -qq update
apt-get -qq install -y --no-install-recommends exim4-daemon-light >/dev/null
/usr/sbin/exim4 -bV | head -1

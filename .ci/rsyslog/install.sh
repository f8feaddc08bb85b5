#!/bin/sh
# Installs rsyslog with its TLS driver, for the tests that TEXTBACK_RSYSLOG=1 switches on. They start rsyslogd themselves,
# with a configuration of their own on loopback ports; the system's service is neither needed nor touched.
set -eu
if command -v rsyslogd >/dev/null && ls /usr/lib/*/rsyslog/lmnsd_gtls.so >/dev/null 2>&1; then
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
apt-get -qq install -y --no-install-recommends rsyslog rsyslog-gnutls >/dev/null
rsyslogd -v | head -1

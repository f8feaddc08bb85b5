#!/bin/sh
# Installs rsyslog with its TLS driver, for the tests that TEXTBACK_RSYSLOG=1 switches on. They start rsyslogd themselves,
# with a configuration of their own on loopback ports; the system's service is neither needed nor touched.
set -eu
if command -v rsyslogd >/dev/null && [ -e /usr/lib/*/rsyslog/lmnsd_gtls.so ]; then
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# The package would start its service, which containers have no use for.
printf '#!/bin/sh\nexit 101\n' >/tmp/policy-rc.d.$$
if [ ! -e /usr/sbin/policy-rc.d ]; then
	install -m 755 /tmp/policy-rc.d.$$ /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
rm -f /tmp/policy-rc.d.$$
apt-get -qq update
apt-get -qq install -y --no-install-recommends rsyslog rsyslog-gnutls >/dev/null
rsyslogd -v | head -1

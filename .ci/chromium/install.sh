#!/bin/sh
# Installs Chromium (Debian's package), for the tests that TEXTBACK_CHROMIUM=1 switches on: they lay the HTML report out in a
# real browser at the width of a phone and of a desk, and on paper; and they use the web page of a running textback as people do,
# by its DevTools protocol, once through nginx.
set -eu
PATH="$PATH:/usr/sbin"
if ! command -v chromium >/dev/null || ! command -v nginx >/dev/null; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update
	# RUNLEVEL: nginx is not to be started by being installed.
	RUNLEVEL=1 apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core nginx-light >/dev/null
fi
chromium --version

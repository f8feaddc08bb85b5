#!/bin/sh
# Installs MariaDB's and PostgreSQL's servers, for the tests that TEXTBACK_DB=1 switches on. They start servers of their own
# on unix sockets in a temporary folder; the system's services are neither needed nor touched.
set -eu
mariadb=0 postgres=0
[ -x /usr/sbin/mariadbd ] && mariadb=1
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && postgres=1
if [ $mariadb = 1 ] && [ $postgres = 1 ]; then
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
	# The packages would start their services, which containers have no use for.
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get -qq update
[ $mariadb = 1 ] || apt-get -qq install -y --no-install-recommends mariadb-server >/dev/null
[ $postgres = 1 ] || apt-get -qq install -y --no-install-recommends postgresql >/dev/null
/usr/sbin/mariadbd --version

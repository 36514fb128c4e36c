#!/usr/bin/env bash
# Starts a real MySQL server (Debian sid's mysql-server-core, in a chroot) beside a running MariaDB.
# Usage: .ci/mysql-up.sh            -> prints the URL when it answers; does nothing where it already runs
#        .ci/mysql-up.sh --stop
# First start: about 2 minutes and 600 MB under $MYSQL_ROOT; later starts: seconds. Needs root and Debian's archive.
set -euo pipefail
MYSQL_ROOT=${MYSQL_ROOT:-/var/lib/kysera-mysql}
PORT=${MYSQL_PORT:-3307}
URL="mysql://root@127.0.0.1:$PORT/test"
pidfile=$MYSQL_ROOT/mysqld.pid

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

if [[ ${1:-} == --stop ]]; then
  [[ -s $pidfile ]] && kill "$(<"$pidfile")" && rm -f "$pidfile"
  exit 0
fi
if answers; then echo "$URL"; exit 0; fi

mkdir -p "$MYSQL_ROOT"
if [[ ! -x $MYSQL_ROOT/root/usr/sbin/mysqld ]]; then
  command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq debootstrap; } >/dev/null
  rm -rf "$MYSQL_ROOT/root"
  mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\)$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
  debootstrap --variant=minbase --include=mysql-server-core,mysql-client-core,adduser sid "$MYSQL_ROOT/root" ${mirror:+"$mirror"} \
    >"$MYSQL_ROOT/debootstrap.log" 2>&1 || { tail -n 5 "$MYSQL_ROOT/debootstrap.log" >&2; exit 1; }
fi
root=$MYSQL_ROOT/root
mkdir -p "$root"/{var/lib/mysql,var/lib/mysql-files,run/mysqld}
chroot "$root" sh -c '
  id mysql >/dev/null 2>&1 || adduser --system --group --no-create-home mysql >/dev/null
  chown mysql:mysql /var/lib/mysql /var/lib/mysql-files /run/mysqld
  [ -d /var/lib/mysql/mysql ] || mysqld --initialize-insecure --user=mysql --datadir=/var/lib/mysql 2>/dev/null'
# nothing but tests is in it: what they write need not outlast a loss of power
setsid chroot "$root" mysqld --user=mysql --datadir=/var/lib/mysql --bind-address=127.0.0.1 --port="$PORT" \
  --socket=/run/mysqld/mysqld.sock --mysqlx=0 --skip-log-bin --innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync \
  >"$MYSQL_ROOT/mysqld.log" 2>&1 </dev/null &
echo $! >"$pidfile"
for _ in $(seq 60); do
  if answers; then
    chroot "$root" mysql --protocol=socket --socket=/run/mysqld/mysqld.sock -uroot -e 'CREATE DATABASE IF NOT EXISTS test' && { echo "$URL"; exit 0; }
  fi
  sleep 1
done
tail -n 5 "$MYSQL_ROOT/mysqld.log" >&2
exit 1

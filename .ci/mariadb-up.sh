#!/usr/bin/env bash
# Starts MariaDB on 127.0.0.1 if none answers there, from Debian's package, and prints its URL.
# Needs root only where there is something to install, to start or to allow.
set -euo pipefail
PORT=${MARIADB_PORT:-3306}
URL="mysql://root@127.0.0.1:$PORT/test"

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }
ask() { mariadb --no-defaults --host=127.0.0.1 --port="$PORT" --user="$1" --password="$2" --execute="$3" 2>/dev/null; }

start() {
  command -v mariadbd >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server
  } >/dev/null
  answers && return
  install -d -o mysql -g mysql /run/mysqld
  # by its file: those that tests have started are others
  local pid=/run/mysqld/mariadbd-$PORT.pid
  start-stop-daemon --start --oknodo --background --pidfile "$pid" --exec "$(command -v mariadbd)" -- \
    --user=mysql --bind-address=127.0.0.1 --port="$PORT" --pid-file="$pid" \
    --innodb-flush-log-at-trx-commit=0
  for _ in $(seq 30); do
    answers && return
    sleep 1
  done
  return 1
}

answers || start || { echo "MariaDB does not answer on 127.0.0.1:$PORT" >&2; exit 1; }
if ! ask root '' 'CREATE DATABASE IF NOT EXISTS test'; then # a new server lets root in by its socket alone
  URL="mysql://kysera_test:kysera_test@127.0.0.1:$PORT/test"
  ask kysera_test kysera_test '' || mariadb --user=root --execute="
    CREATE DATABASE IF NOT EXISTS test;
    CREATE USER IF NOT EXISTS kysera_test@localhost IDENTIFIED BY 'kysera_test';
    CREATE USER IF NOT EXISTS kysera_test@127.0.0.1 IDENTIFIED BY 'kysera_test';
    GRANT ALL ON *.* TO kysera_test@localhost WITH GRANT OPTION;
    GRANT ALL ON *.* TO kysera_test@127.0.0.1 WITH GRANT OPTION;"
fi
echo "$URL"

#!/usr/bin/env bash
# Starts PostgreSQL on 127.0.0.1 if none answers there, from Debian's package, and prints its URL.
# Needs root only where there is something to install, to start or to allow.
set -euo pipefail
PORT=${POSTGRESQL_PORT:-5432}
URL="postgresql://postgres@127.0.0.1:$PORT/postgres"

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

start() {
  command -v pg_ctlcluster >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql
  } >/dev/null
  answers && return
  pg_ctlcluster --skip-systemctl-redirect "$(ls /etc/postgresql | sort -V | tail -n 1)" main start \
    -o '-c synchronous_commit=off' >&2 || true
  for _ in $(seq 30); do
    answers && return
    sleep 1
  done
  return 1
}

answers || start || { echo "PostgreSQL does not answer on 127.0.0.1:$PORT" >&2; exit 1; }
if ! psql -w -qc '' "$URL" 2>/dev/null; then # a new cluster asks for a password
  URL="postgresql://kysera_test:kysera_test@127.0.0.1:$PORT/postgres"
  psql -w -qc '' "$URL" 2>/dev/null || runuser -u postgres -- psql -p "$PORT" -qd postgres \
    -c "CREATE ROLE kysera_test SUPERUSER LOGIN PASSWORD 'kysera_test'"
fi
echo "$URL"

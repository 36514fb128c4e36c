#!/usr/bin/env bash
# Installs PgBouncer from Debian's package where it is missing. The tests start their own: none is left running.
set -euo pipefail
PATH=$PATH:/usr/sbin

command -v pgbouncer >/dev/null || {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq pgbouncer
  # where there is systemd, the package has started its own
  if [[ -d /run/systemd/system ]]; then systemctl disable --now pgbouncer; fi
} >/dev/null
pgbouncer --version | head -n 1

"""A MariaDB or MySQL of the tests' own, with settings that a running one may not have.

https://mariadb.com/docs/server/server-management/starting-and-stopping-mariadb
https://dev.mysql.com/doc/refman/8.4/en/data-directory-initialization.html
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["mariadbd", "mysql_cluster", "mysqld"]

#: Where .ci/mysql-up.sh has a Debian of MySQL's own: as root it is run there.
_CHROOT = Path(os.environ.get("MYSQL_ROOT", "/var/lib/kysera-mysql"), "root")
_FOLDERS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"))
_SECONDS = 60  # for a server to answer
_SMALL = {
    "bind_address": "127.0.0.1",
    "innodb_buffer_pool_size": "32M",
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_flush_method": "nosync",
}


def mariadbd() -> str | None:
    """MariaDB's server, where the program that makes its data is installed, too."""
    found = shutil.which("mariadbd", path=_FOLDERS)
    return found if shutil.which("mariadb-install-db", path=_FOLDERS) else None


@cache
def mysqld() -> str | None:
    """MySQL's server: of that name MariaDB's packages have another one."""
    own = _CHROOT / "usr/sbin/mysqld"
    if own.is_file() and os.geteuid() == 0:
        return str(own)
    found = shutil.which("mysqld", path=_FOLDERS)
    return found if found and "MariaDB" not in _said([found, "--version"]) else None


@contextmanager
def mysql_cluster(kind: str, settings: Mapping[str, str]) -> Generator[str, None, None]:
    """The URL of a new server with these settings, which ends with the block."""
    program = mariadbd() if kind == "mariadb" else mysqld()
    assert program is not None
    root = _CHROOT if program.startswith(str(_CHROOT)) else Path("/")
    with (
        socket.create_server(("127.0.0.1", 0)) as free,
        TemporaryDirectory(dir=root / "tmp") as folder,
    ):
        port = free.getsockname()[1]
        place = Path("/", Path(folder).relative_to(root))
        before = ["chroot", str(root)] if root != Path("/") else []
        own = program if not before else "/usr/sbin/mysqld"
        if os.geteuid() == 0:  # the server does not run as root
            _said([*before, "chown", "mysql", str(place)])
        options = _options(place, settings, "mysqlx" if kind == "mysql" else "")
        _make(kind, [*before, own], options)
        free.close()
        with Path(folder, "log").open("wb") as log:
            running = subprocess.Popen(
                [*before, own, *options, f"--port={port}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(port, running, Path(folder, "log"))
            yield f"mysql://root@127.0.0.1:{port}/"
        finally:
            running.terminate()
            running.wait(_SECONDS)


def _options(place: Path, settings: Mapping[str, str], off: str) -> list[str]:
    given = {
        "datadir": str(place / "data"),
        # as it starts, MariaDB removes what others keep in the one they share
        "tmpdir": str(place),
        "socket": str(place / "socket"),
        "pid_file": str(place / "pid"),
        **({"user": "mysql"} if os.geteuid() == 0 else {}),
        **({off: "0"} if off else {}),
        **_SMALL,
        **settings,
    }
    options = [f"--{name}={value}" for name, value in given.items()]
    return ["--no-defaults", *options]


def _make(kind: str, server: Sequence[str], options: Sequence[str]) -> None:
    """Make the folder of its data, whose root needs no password."""
    if kind == "mysql":
        _said([*server, *options, "--initialize-insecure"])
        return
    maker = shutil.which("mariadb-install-db", path=_FOLDERS)
    ways = ("--auth-root-authentication-method=normal", "--skip-test-db")
    _said([str(maker), *options, *ways])


def _said(command: Sequence[str]) -> str:
    """What a program prints; RuntimeError with that if it fails."""
    done = subprocess.run(
        command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def _wait(port: int, running: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until it lets root in; RuntimeError with its log if it does not."""
    import pymysql

    end = time.monotonic() + _SECONDS
    while running.poll() is None and time.monotonic() < end:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="root").close()
        except pymysql.Error:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(log.read_text())

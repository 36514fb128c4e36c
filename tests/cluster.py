"""A PostgreSQL of the tests' own, with settings that a running server may not have.

https://www.postgresql.org/docs/current/app-initdb.html, app-pg-ctl.html
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

__all__ = ["cluster", "initdb"]

#: Where Debian's packages, and PostgreSQL's own for Debian, have a server's programs.
_DEBIAN = Path("/usr/lib/postgresql")


def initdb() -> str | None:
    """The program that makes a cluster, of the newest server that is installed."""
    folders = [os.environ.get("PATH", "")]
    if _DEBIAN.is_dir():
        newest = sorted(_DEBIAN.iterdir(), key=_version, reverse=True)
        folders += [str(folder / "bin") for folder in newest]
    return shutil.which("initdb", path=os.pathsep.join(folders))


def _version(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.name)]


@contextmanager
def cluster(settings: Mapping[str, str]) -> Generator[str, None, None]:
    """The URL of a new server with these settings, which ends with the block."""
    program = initdb()
    assert program is not None
    control = Path(program).resolve().with_name("pg_ctl")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        **settings,
    }
    with TemporaryDirectory() as folder:
        if os.geteuid() == 0:  # the server does not run as root
            shutil.chown(folder, "postgres")
        data = Path(folder, "data")
        _run(
            *(program, "--pgdata", data, "--username=postgres", "--auth=trust"),
            *("--encoding=UTF8", "--no-locale", "--no-sync"),
        )
        with Path(data, "postgresql.conf").open("a") as config:
            config.writelines(f"{name} = '{value}'\n" for name, value in given.items())
        _run(control, "start", "-w", "-D", data, "-l", Path(folder, "log"))
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _run(control, "stop", "-w", "-D", data, "-m", "fast")


def _run(*command: str | Path) -> None:
    """Run one of PostgreSQL's programs; RuntimeError with what it says if it fails."""
    with TemporaryFile() as said:
        done = subprocess.run(
            command,
            user="postgres" if os.geteuid() == 0 else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=said,  # no pipe: the server would keep it open
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode())

"""PgBouncer in transaction mode, before a PostgreSQL of the tests.

https://www.pgbouncer.org/config.html
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from urllib.parse import unquote, urlsplit

__all__ = ["bounced", "pgbouncer"]


def pgbouncer() -> str | None:
    """The program; Debian's is where only root looks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return shutil.which("pgbouncer", path=path)


@contextmanager
def bounced(url: str, size: int = 1) -> Generator[str, None, None]:
    """The URL by which ``size`` connections of the server are shared by all clients."""
    program, parts = pgbouncer(), urlsplit(url)
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    target = {
        "host": parts.hostname,
        "port": parts.port or 5432,
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password or ""),
    }
    given = " ".join(f"{name}='{value}'" for name, value in target.items() if value)
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        config = Path(folder, "pgbouncer.ini")
        config.write_text(
            f"[databases]\n* = {given}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {size}\n"
            "query_wait_timeout = 20\n"
        )
        user = "nobody" if os.geteuid() == 0 else None  # it does not run as root
        process = subprocess.Popen(
            [program, config],
            user=user,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _wait(process, port)
            there = f"{parts.username or 'postgres'}@127.0.0.1:{port}"
            yield parts._replace(netloc=there).geturl()
        finally:
            process.terminate()
            process.communicate(timeout=20)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Until it listens; RuntimeError with what it says if it does not."""
    deadline = monotonic() + 20
    while monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        sleep(0.05)
    process.kill()
    raise RuntimeError(process.communicate()[1].decode())

"""A relay between a program and PostgreSQL that notes what goes over the wire.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from struct import unpack
from threading import Thread
from urllib.parse import urlencode, urlsplit

__all__ = ["Relay", "relayed", "texts"]

#: What a program sends that holds no SQL: Bind, Close, CopyData, CopyDone, CopyFail,
#: Describe, Execute, Flush, password, Sync, Terminate.
_SILENT = frozenset(b"BCdcfDEHpSX")


class Relay:
    """What went over the wire: the texts of one side, all bytes of the other."""

    def __init__(self, host: str, port: int) -> None:
        self.texts: list[str] = []
        self.answers = bytearray()
        self._to = host, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = [self._listening]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                program, _ = self._listening.accept()
                server = socket.create_connection(self._to)
                self._open += [program, server]
                for of, to, note in (
                    (program, server, self._asked()),
                    (server, program, self.answers.extend),
                ):
                    Thread(target=_pump, args=(of, to, note), daemon=True).start()

    def _asked(self) -> Callable[[bytes], object]:
        """What notes the texts of one connection."""
        reading = self._messages()
        next(reading)
        return reading.send

    def _messages(self) -> Generator[None, bytes, None]:
        """Is sent what the program sends, as it comes."""
        buffer, kind = bytearray(), 0  # the first message has no kind
        at = 0
        while True:
            while len(buffer) < at + 4 or len(buffer) < at + _length(buffer, at):
                buffer += yield
            end = at + _length(buffer, at)
            kind, body = buffer[0] if at else 0, bytes(buffer[at + 4 : end])
            self.texts += texts(kind, body) if at else []
            del buffer[:end]
            at = 1

    def close(self) -> None:
        """Let all connections go."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _length(buffer: bytearray, at: int) -> int:
    return int(unpack("!i", buffer[at : at + 4])[0])


def texts(kind: int, body: bytes) -> Iterator[str]:
    """The SQL in a message; what is no known message is told as one, too."""
    if kind == ord("Q"):
        yield body.rstrip(b"\0").decode()
    elif kind == ord("P"):  # its name, and then the text
        yield body.split(b"\0")[1].decode()
    elif kind not in _SILENT:
        yield f"a message {chr(kind)!r}: {body!r}"


def _pump(
    of: socket.socket, to: socket.socket, note: Callable[[bytes], object]
) -> None:
    """Note and hand on what comes, to its end."""
    with suppress(OSError):
        while data := of.recv(65536):
            note(data)
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


@contextmanager
def relayed(url: str) -> Iterator[tuple[Relay, str]]:
    """A relay to the server of a URL, and the URL that goes by it."""
    parts = urlsplit(url)
    relay = Relay(parts.hostname or "127.0.0.1", parts.port or 5432)
    place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{relay.port}"
    plain = urlencode({"sslmode": "disable", "gssencmode": "disable"})
    query = "&".join(filter(None, [parts.query, plain]))
    try:
        yield relay, parts._replace(netloc=place, query=query).geturl()
    finally:
        relay.close()

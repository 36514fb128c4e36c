"""A user of MySQL or MariaDB who sees some databases alone.

The shim reads the definitions of all that its user may see, and again when they have
changed: what other tests define on the same server meanwhile would be read as well.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.servers import run, unique

__all__ = ["seeing"]

#: The server's own, which cases name: what is in them is the same for everyone.
_SYSTEM = ("mysql", "performance_schema", "sys")


@contextmanager
def seeing(urls: Sequence[str]) -> Generator[list[str], None, None]:
    """The URLs of these databases for a new user, who may do all in them."""
    user = f"kysera_{unique()}"
    parts = [urlsplit(url) for url in urls]
    names = [one.path[1:].replace("_", "\\_") for one in parts]
    making = [
        f"CREATE USER {user}",
        f"GRANT SUPER, PROCESS ON *.* TO {user}",  # they tell of no table
        *(f"GRANT ALL ON `{name}`.* TO {user}" for name in names),
        *(f"GRANT SELECT ON {name}.* TO {user}" for name in _SYSTEM),
    ]
    places = [one.netloc.rpartition("@")[2] for one in parts]
    run(urls[0], making)
    try:
        yield [
            one._replace(netloc=f"{user}@{place}").geturl()
            for one, place in zip(parts, places, strict=True)
        ]
    finally:
        run(urls[0], [f"DROP USER {user}"])

"""PostgreSQL's strings and quoted names: how they are written, and what they say.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS
"""

import re
from collections.abc import Sequence
from itertools import chain

from kysera_dbapi.errors import UnsupportedStatement

__all__ = [
    "BITS",
    "COMMENT",
    "ESCAPED",
    "JOINT",
    "PLAIN",
    "UNICODE",
    "in_pieces",
    "says",
]

PLAIN = r"(?:[^']|'')*+"
ESCAPED = r"(?:[^'\\]|''|\\(?s:.))*+"
BITS = "[^']*+"


def _comment(depth: int) -> str:
    """A comment that holds others, so many deep."""
    nested = f"|{_comment(depth - 1)}" if depth else ""
    return rf"/\*(?:[^*/]++|\*(?!/)|/(?!\*){nested})*+\*/"


#: One that nests deeper, or does not end, is none: no statement begins so.
COMMENT = rf"--[^\n\r]*+|{_comment(8)}"
#: What may stand between the pieces of one string: a new line at least.
JOINT = r"(?:(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+)"
_GAP = rf"(?:[ \t\n\r\f\v]++|{COMMENT})*+"


def in_pieces(inner: str) -> str:
    """A string, from the first quote on; it may go on in other lines."""
    return rf"'{inner}'(?:{JOINT}'{inner}')*+"


#: The character of escapes, where it is another than the backslash.
_UESCAPE = rf"{_GAP}[uU][eE][sS][cC][aA][pP][eE]{_GAP}'{{}}[^'\"+\s0-9a-fA-F]{{}}'"
_BODIES = (in_pieces(PLAIN), r'"(?:[^"]|"")*+"')
#: A string, and a name, in which codes stand for characters.
UNICODE = tuple(f"[uU]&{body}(?:{_UESCAPE.format('', '')})?+" for body in _BODIES)
_BY_CODES = re.compile(
    rf"[uU]&(?P<body>{'|'.join(_BODIES)})(?:{_UESCAPE.format('(?P<sign>', ')')})?"
)


def says(token: str) -> str:
    """What a name, or a string in any of its forms, says.

    Raises ``UnsupportedStatement`` (unsupported-construct) for escapes that mean
    nothing.
    """
    first = token[:1]
    if first == '"':
        return token[1:-1].replace('""', '"')
    if first == "$" and token[-1:] == "$":
        opening = token.index("$", 1) + 1
        return token[opening:-opening]
    if token[1:2] == "&" and token[2:3] in ("'", '"'):
        return _unicode(token)
    if "'" not in token:
        return token
    start = token.index("'")
    if first in "eE" and start:
        return _decoded(_pieces(token[start:], ESCAPED), _ESCAPE)
    return "".join(_pieces(token[start:], PLAIN)).replace("''", "'")


def _pieces(text: str, inner: str) -> list[str]:
    """What stands between the quotes of a string."""
    return re.findall(rf"'({inner})'(?:{JOINT}|\Z)", text)


def _unicode(token: str) -> str:
    """What U&'' or U&"" says; another character than the backslash may escape."""
    parts = _BY_CODES.fullmatch(token)
    if parts is None:
        raise _meaningless()
    quote, body = token[2], parts["body"]
    said = "".join(_pieces(body, PLAIN)) if quote == "'" else body[1:-1]
    sign = re.escape(parts["sign"] or "\\")
    code = rf"{sign}(?:(?P<code>[0-9a-fA-F]{{4}}|\+[0-9a-fA-F]{{6}})|(?P<other>{sign}))"
    rest = rf"(?P<wrong>{sign})|(?P<plain>(?:(?!{sign})(?s:.))++)"
    return _decoded([said.replace(quote * 2, quote)], re.compile(f"{code}|{rest}"))


_ESCAPE = re.compile(
    r"\\(?:u(?P<code>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<wrong>[uU])"
    r"|x(?P<hex>[0-9a-fA-F]{1,2})|(?P<octal>[0-7]{1,3})|(?P<other>(?s:.)))"
    r"|(?P<quote>'')|(?P<plain>[^\\']++)"
)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _decoded(pieces: Sequence[str], escape: re.Pattern[str]) -> str:
    """A text with what its escapes stand for: characters, halves of one, bytes."""
    found, high = bytearray(), 0
    try:
        for match in chain.from_iterable(map(escape.finditer, pieces)):
            high = _add(found, high, match.groupdict())
        if not high:
            return found.decode()
    except (UnicodeError, ValueError) as error:
        raise _meaningless() from error
    raise _meaningless()


def _meaningless() -> UnsupportedStatement:
    return UnsupportedStatement(
        "an escape in U&'', U&\"\" or E'' means nothing; spell the character itself",
        code="unsupported-construct",
    )


def _add(found: bytearray, high: int, part: dict[str, str | None]) -> int:
    """Add what one escape, or a text without, stands for; returns half a character."""
    code = part["code"] or part.get("long")
    number = int(code.lstrip("+"), 16) if code else 0
    if part["wrong"] or (high and not 0xDC00 <= number < 0xE000):
        raise ValueError(part["wrong"])
    if high:
        number = 0x10000 + (high - 0xD800) * 0x400 + number - 0xDC00
    if 0xD800 <= number < 0xDC00:
        return number
    if code:
        found += chr(number).encode()
    elif byte := part.get("hex"):
        found.append(int(byte, 16))
    elif byte := part.get("octal"):
        found.append(int(byte, 8) & 0xFF)
    elif letter := part["other"]:
        found += (_LETTERS if "hex" in part else {}).get(letter, letter).encode()
    else:
        found += (part["plain"] or "'").encode()
    return 0

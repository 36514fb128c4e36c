"""PostgreSQL's tokens and names, as the server itself sees them."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer
from kysera_dbapi.source import read
from tests import servers

DIALECT = get_dialect("postgresql")
LEXER = Lexer(DIALECT.lexical)
FORMAT = Lexer(DIALECT.lexical, format_style=True)
SEEDS = range(8)
PIECES = [
    *"' '' \" \"\" \\ / * - + ( ) , ; . : $ % & | ! ? @ # ~ < > = [ ] ^ ` 0 1".split(),
    *"-- /* */ :: .. $$ $a$ $a$b $1 1e 1.5 .5 1e5 1. e E x u& 'a' 'b' E' U&'".split(),
    *"e'\\'' u&\" N'n' B'01' X'ff' \"q\" U&\"d\" a b_1 a$b é".split(),
    *"select union from orders as".split(),
    *("\n", "\r", "\t", "\f", " ", "  ", "'a'\n'b'", "'a' --x\n 'b'", "/* /* */ */"),
    *("$$x$$", "$t$ ' $t$", "E'\\\\'", "'it''s'", "E'a'\n'\\'b'", "/*/**/*/", "--\n"),
]


@pytest.fixture
def connection(postgresql_shared_url: str) -> Iterator[Any]:
    """Texts go as they are: the server's whole lexer, and no driver's."""
    with servers.connect(postgresql_shared_url) as made:
        yield made


def soup(seed: int) -> str:
    rng = random.Random(seed)
    return "".join(rng.choices(PIECES, k=rng.randint(1, 12)))


def tokens(text: str) -> list[tuple[str, str]]:
    found = [t for t in LEXER.lex(text) if t.kind not in ("blank", "comment")]
    return [(t.kind, t.text) for t in found]


@pytest.mark.parametrize("seed", SEEDS)
def test_tokens_cover_the_text(seed: int) -> None:
    for number in range(500):
        text = soup(seed * 1000 + number)
        for lexer in (LEXER, FORMAT):
            assert "".join(t.text for t in lexer.lex(text)) == text
            shape = lexer.shape(text)
            parts = zip(shape.runs, shape.literals, strict=True)
            assert "".join(run + literal for run, literal in parts) == text


@pytest.mark.postgresql_since(15)  # before that `0x1` is a number and a name
@pytest.mark.parametrize("seed", SEEDS)
def test_the_server_stops_at_a_token_of_ours(connection: Any, seed: int) -> None:
    """A syntax error tells where a token begins, and which it is."""
    tried = 0
    for number in range(300):
        text = f"SELECT {soup(seed * 1000 + number)}"
        error = failure(connection, text)
        if error is None or error.sqlstate != "42601":
            continue
        message = error.diag.message_primary
        if "at or near" not in message or "junk" in message:
            continue
        place = int(error.diag.statement_position) - 1
        stop = place + len(message.partition('at or near "')[2][:-1])
        lexemes = list(LEXER.lex(text))
        starts = {t.start for t in lexemes if t.kind not in ("blank", "comment")}
        # to the server N'a' is a word and a string
        national = {t.start + 1 for t in lexemes if t.text[:2] in ("N'", "n'")}
        starts |= national
        assert place in starts, (text, message)
        broken = any(t.kind == "broken" for t in lexemes)
        assert broken or stop in national | {t.end for t in lexemes}, (text, message)
        assert not broken or "unterminated" in message or stop <= lexemes[-1].start + 1
        tried += 1
    assert tried > 100


def failure(connection: Any, text: str) -> Any:
    try:
        with connection.transaction():
            connection.execute(text)
    except connection.Error as error:
        return error
    return None


@pytest.mark.parametrize(
    "token",
    [
        "'a'",
        "'it''s'",
        "'a\\'",
        "'a'\n'b'",
        "'a' \t--x'\n\n -- y\n  'b''c'",
        "$$a$$",
        "$t$ a $$ $T$ ' $t$",
        "$é$x$é$",
        "$$$$",
        "N'x''y'",
        "E'ab'",
        "E'a''b'\n'c'",
    ],
)
def test_a_string_says_what_the_server_says(connection: Any, token: str) -> None:
    assert connection.execute(f"SELECT {token}").fetchone() == (DIALECT.unquote(token),)
    (kind,) = {kind for kind, _ in tokens(token)}
    assert len(tokens(token)) == 1
    assert kind in ("string", "blob")


@pytest.mark.parametrize(
    "token",
    [
        'U&"\\0061B"',
        "U&\"d!0061t!!\" UESCAPE '!'",
        'u&"a""\\\\"',
        '"a""b"',
        '"A b"',
        "Abc",
        "ÀÉb",
        "a$1",
        '"\u00a0"',
    ],
)
def test_a_name_is_what_the_server_takes(connection: Any, token: str) -> None:
    assert label(connection, token) == folded(token)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_long_name_is_cut_where_the_server_cuts_it(
    connection: Any, width: int
) -> None:
    letter = {1: "x", 2: "é", 3: "漢", 4: "\U0001f600"}[width]
    for count in range(1, 70):
        token = "y" * (count % 4) + letter * count + "Z"
        for spelled in (token, f'"{token}"'):
            assert label(connection, spelled) == folded(spelled)


def label(connection: Any, token: str) -> object:
    return connection.execute(f"SELECT 1 AS {token}").description[0].name


def folded(token: str) -> str:
    name = DIALECT.unquote(token)
    return DIALECT.fold(name, quoted=name != token)


@pytest.mark.parametrize(
    "text",
    ["'a\\''", "$a$ b $a", "E'\\'", '"a', "/* /* */", "$$", f"{'/*' * 10}{'*/' * 10}"],
)
def test_a_token_without_an_end_is_no_statement(text: str) -> None:
    assert tokens(f"SELECT {text} FROM orders")[-1][0] == "broken"
    for sql in (f"SHOW {text}", f"EXPLAIN ({text}) SELECT 1", f"SELECT {text}"):
        assert read(sql, DIALECT, LEXER).rule is None


def test_comments_nest(connection: Any) -> None:
    deep = f"{'/*' * 9} ' {'*/' * 9}"
    assert connection.execute(f"SELECT {deep} 1").fetchone() == (1,)
    assert tokens(f"SELECT {deep} 1") == [("word", "SELECT"), ("number", "1")]


#: What strings with escapes are made of.
ESCAPES = [
    *r"\ \\ '' a é x41 \x41 \xc3\xa9 \351 \u00e9 \ud83d\ude00 \n \101".split(),
    r"\U0001F600",
    *r"u0061 +000061 \0061 \+01f600 !0061 ! \' \d83d\de00 0 \ud83d \x4 \b".split(),
    *("'\n'", "' --x\n '"),
]
FORMS = (
    *("'{}'", "E'{}'", "U&'{}'", "U&'{}' UESCAPE '!'"),
    "u&'{}'/* /* */ */uescape\n--x\n'!'",
)


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_escapes_say_what_the_server_says(connection: Any, seed: int) -> None:
    rng, said = random.Random(seed), 0
    for _ in range(500):
        body = "".join(rng.choices(ESCAPES, k=rng.randint(0, 6)))
        token = rng.choice(FORMS).format(body)
        try:
            due = connection.execute(f"SELECT {token}".encode()).fetchone()[0]
        except connection.Error:
            continue
        assert len(tokens(token)) == 1, token
        assert DIALECT.unquote(token) == due
        said += "\\" in token
    assert said > 50


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_a_stand_in_is_as_long_as_its_token(seed: int) -> None:
    words = (
        "ONLY USING AS ROWS FROM SEARCH CYCLE OVERRIDING SYSTEM VALUE ON COMMIT DROP"
    )
    pieces = [
        *PIECES,
        *ESCAPES,
        *(f" {word} " for word in words.split()),
        "0x1f",
        "1_0",
    ]
    rng, found = random.Random(seed), 0
    for _ in range(2000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 12)))
        said = [t for t in LEXER.lex(text) if t.kind not in ("blank", "comment")]
        try:
            instead = DIALECT.stand_ins(said)
        except UnsupportedStatement:
            continue
        found += len(instead)
        assert all(len(s) in (0, len(said[i].text)) for i, s in instead.items()), text
    assert found > 100


@pytest.mark.parametrize(
    ("token", "number"),
    [
        ("1_000", 1000),
        ("0x1F", 31),
        ("0xDEAD_beef", 0xDEADBEEF),
        ("0o17", 15),
        ("0b1_01", 5),
        ("1_0.2_5", 10.25),
    ],
)
def test_a_number_stands_in_for_a_number(token: str, number: float) -> None:
    said = [t for t in LEXER.lex(token) if t.kind not in ("blank", "comment")]
    assert len(said) == 1
    assert float(DIALECT.stand_ins(said)[0]) == number


@pytest.mark.parametrize("token", ["U&'\\006'", 'U&"\\+61"', "E'\\u61'", "U&'\\d83d'"])
def test_escapes_that_mean_nothing_are_refused(token: str) -> None:
    with pytest.raises(UnsupportedStatement):
        DIALECT.unquote(token)


def test_a_text_with_dollar_quotes_has_a_shape_of_its_own() -> None:
    one, other = LEXER.shape("SELECT $$a$$, 1"), LEXER.shape("SELECT $$b$$, 1")
    assert one.key != other.key
    assert one.given() == ()
    assert LEXER.shape("SELECT $1, 1").key == LEXER.shape("SELECT $1, 2").key


def test_strings_of_other_kinds_are_not_folded() -> None:
    for token in ("E'a'", "N'a'", "B'0'", "X'0'", "U&'a'", "0x1"):
        assert LEXER.shape(f"SELECT {token}").given() == ()
    assert LEXER.shape("SELECT 'a'\n'b', 1").given() == ("'a'\n'b'", "1")


def test_placeholders() -> None:
    text = "SELECT %s, %b, %t, %(a)s, %(a)b, %%, $1, ':a', a::int, a[1:2]"
    found = [t.text for t in FORMAT.lex(text) if t.kind == "placeholder"]
    assert found == ["%s", "%b", "%t", "%(a)s", "%(a)b", "%%", "$1"]
    assert [t.text for t in LEXER.lex(text) if t.kind == "placeholder"] == ["$1"]
    named = Lexer(DIALECT.lexical, named=True)
    text = "a = :b AND c::text = :d_1"
    assert [t.text for t in named.lex(text) if t.kind == "placeholder"] == [
        ":b",
        ":d_1",
    ]

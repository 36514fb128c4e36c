"""The tokens and names of MySQL and MariaDB, as the servers themselves see them."""

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from kysera_dialects.mysql import MySQLDialect, dialect_of

from kysera_dbapi import _sqlglot
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.shape import Lexer
from kysera_dbapi.source import read
from tests import servers

MODES = [
    "",
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "IGNORE_SPACE,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE",
]
SEEDS = range(1)
PIECES = [
    *"' '' \" \"\" ` `` \\ \\' \\\" / * - -- + ( ) , ; . : % & && | || ! @ @@".split(),
    *"~ < > = <=> := -> ->> [ ] { } ^ 0 1 1a 1e 1e5 1e5a 1.5 .5 1. 1.a".split(),
    *"t.1 t.1a".split(),
    *"t.1e5 0x 0x1F 0x1g 0X1F 0b01 0b2 x'41' X'4' x'4g' b'01'".split(),
    *"b'2' n'a' N'' N'\\''".split(),
    *"'a' 'it''s' 'a\\'b' \"d\" \"d\\\"e\" `n` `n``m` a b_1".split(),
    *"a$b $a é É _utf8'a' _x'a'".split(),
    *"@a @a.b @`a` @'a' @\"a\" select union from orders as null in is not".split(),
    *("#", "# '\n", "-- ' \n", "--'\n", '--\t"\n', "-- \r", "/* ' */", "/*/", "/**/"),
    *(
        "/*! 1 */",
        "/*!",
        "/*!50000 ",
        "/*!50000 1*/",
        "/*!50000",
        "/*!99999 ' */",
        "*/",
    ),
    *("/*!080042 2 */", "/*!999999 /* ' */ ' */", "/*!500001 */", "/*!50710 ' */"),
    *("/*M! 1 */", "/*M!", "/*M!100000 ' */", "/*M!999999 ' */", "/*!101100 , 1 */"),
    *(
        "/*+ BKA(t) */",
        "/*+ BKA(`*/`) */",
        "/*+ ' */",
        "2*/*'*/3",
        "/*!1 */",
        "/*!5 */",
    ),
    *("\n", "\r", "\t", "\f", "\v", " ", "  ", "\x01", "\x7f", "\xa0", "\u3000"),
]


#: What a column may be, in some mode; a comma in it is none between columns.
VALUES = [
    *(
        "1",
        "'a , b'",
        "'it''s , '",
        "'a\\'",
        "'a\\' , '",
        '"d , e"',
        '"d\\" , "',
        "1.5",
    ),
    *(
        ".5",
        "1e5a",
        "1.a",
        "1e5",
        "@a",
        "@a.b",
        "@`a , b`",
        "@'a , b'",
        "N'a , '",
        "--1",
    ),
    *("x'41'", "0x1F", "b'01'", "_utf8'a , '", "_utf8mb4 'a' ' , '", "2*/* ' , */3"),
    *(
        "1 AS `a , ``b`",
        "'a' \" , \"",
        "1--1",
        "5-- , \n+1",
        "1 `,`",
        "1 '\\\\'",
        "2 a$b",
    ),
    *(
        "@@sql_mode",
        "NULL",
        "1 AS 1a",
        "1 AS é",
        '1 AS "a , b"',
        "'\\\\' '\\\\'",
        "(1)",
    ),
]
BETWEEN = [
    *(
        "",
        " ",
        "\n",
        "\v",
        "/* , ' */",
        "-- , ' \n",
        "# , ` \n",
        "--\t,\n",
        "/**/",
        "/*/ , */",
    ),
    *(
        "/*!50000 , 5 */",
        "/*!99999 , ' */",
        "/*M! , 7 */",
        "/*! , 8 */",
        "/*!, ' , ' */",
    ),
    *("/*!50710 , 9 */", "/*!90704 , 1 */", "/*!90705 , 1 */", "/*!101100 , 1 */"),
    *(
        "/*!101120 , 1 */",
        "/*!999999 , /* , */ , */",
        "/*M!100000 , 1 */",
        "/*!50000, 5*/",
    ),
    *("/*M!999999 , ' */", "/*+ BKA(a) , */", "/*!50000 /* , */ , 1 */", "/*!50000 */"),
]


@pytest.fixture
def connection(mysql_url: str) -> Iterator[Any]:
    with servers.connect(mysql_url) as made:
        yield made


def run(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def failure(connection: Any, sql: str) -> tuple[int, str] | None:
    try:
        run(connection, sql)
    except connection.Error as error:
        return error.args[0], str(error.args[1])
    return None


def dialect(connection: Any, mode: str = "") -> MySQLDialect:
    """The connection's, once it is in that mode."""
    run(connection, f"SET sql_mode = '{mode}'")
    ((version, modes, lower_case),) = run(
        connection, "SELECT @@version, @@sql_mode, @@lower_case_table_names"
    )
    return dialect_of(version, modes, lower_case)


def soup(rng: random.Random) -> str:
    return "".join(rng.choices(PIECES, k=rng.randint(1, 10)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_server_stops_at_a_token_of_ours(
    connection: Any, seed: int, mode: str
) -> None:
    """A syntax error holds the text from the token on at which the parser stopped."""
    lexer = Lexer(dialect(connection, mode).lexical)
    rng = random.Random(f"{seed} {mode}")
    tried = 0
    for _ in range(200):
        text = f"SELECT {soup(rng)}"
        lexemes = list(lexer.lex(text))
        assert "".join(t.text for t in lexemes) == text
        error = failure(connection, text)
        if error is None or error[0] != 1064 or "near '" not in error[1]:
            continue
        near = error[1].partition("near '")[2].rpartition("' at line")[0]
        if len(near) >= 80 or not text.endswith(near):
            continue
        starts = {t.start for t in lexemes if t.kind not in ("blank", "comment")}
        broken = next((t.start for t in lexemes if t.kind == "broken"), len(text) + 1)
        stop = len(text) - len(near)
        # to the servers a closing */ is two tokens, and the end is one
        ends = {t.start + 1 for t in lexemes if t.text == "*/"} | {len(text)}
        ends |= {t.end for t in lexemes}  # or what follows the token
        assert stop in starts | ends or stop >= broken, (text, near, lexemes)
        tried += 1
    assert tried > 80


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_server_takes_has_the_columns_that_we_see(
    connection: Any, seed: int, mode: str
) -> None:
    """A comma within a token is none: so the columns of a SELECT tell the tokens."""
    found = dialect(connection, mode)
    lexer = Lexer(found.lexical)
    rng = random.Random(f"{seed} {mode} columns")
    tried = 0
    for _ in range(150):
        said = [rng.choice(VALUES) + rng.choice(BETWEEN) for _ in range(4)]
        text = f"SELECT {rng.choice(BETWEEN)} {' , '.join(said)}"
        with connection.cursor() as cursor:
            try:
                cursor.execute(text)
            except connection.Error:
                continue
            columns = len(cursor.description)
        lexemes = list(lexer.lex(text))
        if any(t.kind == "broken" for t in lexemes):
            continue  # it is refused
        commas = sum(t.text == "," for t in lexemes)
        # what closes a comment is none of the symbols of a statement
        assert "*/" not in "".join(t.text for t in lexemes if t.kind == "symbol")
        assert commas + 1 == columns, (text, lexemes)
        tried += 1
    assert tried > 50


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_parser_sees_the_same_tokens_or_none(seed: int, mode: str) -> None:
    """Where sqlglot's tokens differ from ours the statement is refused."""
    for version in ("9.7.4", "10.11.19-MariaDB"):
        found = dialect_of(version, mode, 0)
        lexer = Lexer(found.lexical)
        rng = random.Random(f"{seed} {mode} {version}")
        same = 0
        for _ in range(500):
            text = f"SELECT {soup(rng)}"
            source = read(text, found, lexer)
            if source.rule is None:
                continue
            plain = "".join(
                " " * len(t.text) if t.kind in ("blank", "comment") else t.text
                for t in source.lexemes
            )
            try:
                tokens = _sqlglot.tokenize(plain, found)
            except _sqlglot.ParseError:
                continue
            strings = {
                (t.start, t.end) for t in source.lexemes if t.kind in ("string", "blob")
            }
            spans = {(t.start, t.end) for t in source.lexemes}
            theirs = {(t.start, t.end + 1) for t in tokens}
            same += theirs <= spans
            for token in tokens:
                if token.token_type is _sqlglot.TokenType.STRING and theirs <= spans:
                    assert (token.start, token.end + 1) in strings, (text, token)
        assert same > 20


def test_a_string_says_what_the_server_says(connection: Any) -> None:
    for mode in MODES:
        _check_strings(connection, dialect(connection, mode), random.Random(mode))


def _check_strings(connection: Any, found: MySQLDialect, rng: random.Random) -> None:
    pieces = ["a", "''", "\\\\", '"', "\\n", "\\%", "\\_", "\\x", "\\Z", "é", "%", " "]
    for _ in range(100):
        token = f"'{''.join(rng.choices(pieces, k=rng.randint(0, 6)))}'"
        lexemes = list(Lexer(found.lexical).lex(token))
        if [t.kind for t in lexemes] != ["string"]:
            assert failure(connection, f"SELECT {token}") is not None
            continue
        assert run(connection, f"SELECT {token}") == [(found.unquote(token),)]


def test_a_literal_of_ours_is_the_value(connection: Any) -> None:
    for mode, value in product(MODES, VALUES_OF_STRINGS):
        found = dialect(connection, mode)
        assert run(connection, f"SELECT {found.literal(value)}") == [(value,)]
        quoted = found.quote(value + "x")
        ((name, *_),) = _described(connection, f"SELECT 1 AS {quoted}")
        assert name == value + "x"


VALUES_OF_STRINGS = ["", "a", "it's", "\\", "\\'", "é\\", '"', "%s", "`"]


def _described(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.description


def test_a_name_is_what_the_server_takes(connection: Any) -> None:
    for mode in MODES:
        _check_names(connection, dialect(connection, mode))


def _check_names(connection: Any, found: MySQLDialect) -> None:
    names = ["a", "A$1", "_x", "1a", "é", "`a b`", "`a``b`", '`a"b`', "`a\\`"]
    for token in [
        *names,
        *(['"a""b"', '"a\\"'] if "ANSI_QUOTES" in found.modes else []),
    ]:
        ((name, *_),) = _described(connection, f"SELECT 1 AS {token}")
        assert name == found.unquote(token)


def test_columns_are_found_without_regard_to_case(connection: Any) -> None:
    """What the server takes for one name is one to us, or it is refused as unknown."""
    found = dialect(connection)
    letters = "azAZéÉßẞİ\u0131\u017fKÅåΣς\u03c3ǅǆÿŸ\u212aäÄ"
    for one in letters:
        for other in letters:
            sql = f"SELECT `{one}` FROM (SELECT 1 AS `{other}`) AS t"
            if failure(connection, sql) is None:
                assert found.fold(one, quoted=True) == found.fold(other, quoted=True)


@pytest.mark.parametrize(
    "text",
    [
        "'a\\'", "`a", "/* a", "/*!1 */ 1", "/*+ SET_VAR(sql_mode = '') */ 1", "\x00",
        "/*+ BKA(`*/`) */ 1", "1 /*!0500001 */",
    ],
)  # fmt: skip
def test_a_token_without_an_end_is_no_statement(text: str) -> None:
    for found in (MySQLDialect(), dialect_of("10.6.1-MariaDB", "", 0)):
        for sql in (f"SELECT {text} FROM orders", f"SHOW {text}"):
            assert read(sql, found, Lexer(found.lexical)).rule is None


def test_a_comment_is_read_by_the_version_of_the_server() -> None:
    text = "SELECT 1 /*!80042 + 2 */ /*M! + 3 */ /*!50600 + 4 */ /*!100000 + 5 */"

    def numbers(version: str) -> list[str]:
        lexer = Lexer(dialect_of(version, "", 0).lexical)
        assert lexer.shape(text).given() == ()  # it is its own shape
        return [t.text for t in lexer.lex(text) if t.kind == "number"]

    assert numbers("8.0.41") == ["1", "4"]
    assert numbers("8.0.42") == ["1", "2", "4"]
    assert numbers("9.7.4-2") == ["1", "2", "4"]
    assert numbers("10.11.19-MariaDB-log") == ["1", "3", "4", "5"]


def test_placeholders_are_those_of_the_driver() -> None:
    lexical = MySQLDialect().lexical
    text = "SELECT %s, %(a)s, %%, ?, :a, $1, '%%s'"
    found = [t.text for t in Lexer(lexical, format_style=True).lex(text)]
    kinds = [t.kind for t in Lexer(lexical, format_style=True).lex(text)]
    placed = [t for t, kind in zip(found, kinds, strict=True) if kind == "placeholder"]
    assert placed == ["%s", "%(a)s", "%%"]
    assert all(t.kind != "placeholder" for t in Lexer(lexical).lex(text))


def test_dialects_are_values() -> None:
    one = dialect_of("8.4.1", "STRICT_ALL_TABLES,ANSI_QUOTES", 0)
    assert one == dialect_of("8.4.1", "ANSI_QUOTES", 0)
    assert len({one, dialect_of("8.4.1", "ANSI_QUOTES", 0)}) == 1
    assert one != dialect_of("8.4.1", "", 0)
    assert one != dialect_of("8.4.1", "ANSI_QUOTES", 1)
    assert one.in_modes("") == dialect_of("8.4.1", "", 0)
    assert one.in_modes("NO_ZERO_DATE,ANSI_QUOTES") is one
    assert dialect_of("10.11.2-MariaDB", "", 0) != dialect_of("10.11.2", "", 0)


@pytest.mark.parametrize(
    ("version", "mode", "code"),
    [
        ("5.7.44", "", "unsupported-server"),
        ("10.5.9-MariaDB", "", "unsupported-server"),
        ("?", "", "unsupported-server"),
        ("10.11.2-MariaDB", "PIPES_AS_CONCAT,ORACLE", "unsupported-mode"),
    ],
)
def test_other_servers_and_languages_are_refused(
    version: str, mode: str, code: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        dialect_of(version, mode, 0)
    assert caught.value.code == code

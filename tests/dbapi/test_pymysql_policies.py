"""Policies on MySQL and MariaDB mean one thing: in each sql_mode, of each tenant."""

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import Policy, RowLevelSecurity, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

MADE = (
    "CREATE TABLE numbered (id int PRIMARY KEY, tenant int NOT NULL, done int)",
    "INSERT INTO numbered VALUES (1, 7, 0), (2, 0, 0), (3, 1, 1)",
    "CREATE TABLE named (id int PRIMARY KEY, tenant varchar(9) COLLATE {} NOT NULL)",
    "INSERT INTO named VALUES (1, 'a'), (2, 'A'), (3, 'a '), (4, '7'), (5, '0')",
)
EXACT = {False: "utf8mb4_0900_bin", True: "utf8mb4_nopad_bin"}
MODES = "ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,HIGH_NOT_PRECEDENCE"


@pytest.fixture
def raw(mysql_url: str) -> Iterator[Any]:
    connection: Any = pymysql.connect(**arguments(mysql_url))
    with closing(connection):
        exact = EXACT["MariaDB" in connection.server_version]
        run(mysql_url, [text.format(exact) for text in MADE])
        yield connection


def connected(url: str, *policies: Policy) -> Any:
    return kysera_dbapi.connect(url, plugins=[RowLevelSecurity(*policies)])


@pytest.mark.parametrize("value", ["7", "7a", "", "x", 7.0, True, b"7"])
def test_a_tenant_is_of_the_type_of_its_column(
    mysql_url: str, raw: Any, value: object
) -> None:
    """``tenant = 'x'`` finds the rows of tenant 0."""
    policies = tenant_isolation("tenant", tables=["numbered"])
    with closing(connected(mysql_url, *policies)) as connection:
        with kysera_dbapi.context(tenant=7):
            assert rows(connection, "SELECT id FROM numbered") == [(1,)]
        with kysera_dbapi.context(tenant=value):
            for text in (
                "SELECT id FROM numbered",
                "INSERT INTO numbered (id) VALUES (9)",
                "DELETE FROM numbered",
            ):
                with pytest.raises(kysera_dbapi.ConfigurationError, match="must be"):
                    rows(connection, text)
    assert rows(raw, "SELECT count(*) FROM numbered") == [(3,)]


def test_tenants_that_are_texts(mysql_url: str, raw: Any) -> None:
    """``tenant = 0`` finds the rows of all whose names begin with a letter."""
    policies = tenant_isolation("tenant", tables=["named"])
    with closing(connected(mysql_url, *policies)) as connection:
        found = "SELECT id FROM named"
        for tenant, id_ in (("a", 1), ("A", 2), ("a ", 3), ("7", 4), ("0", 5)):
            with kysera_dbapi.context(tenant=tenant):
                assert rows(connection, found) == [(id_,)]
        for wrong in (0, 7, b"a"):
            with (
                kysera_dbapi.context(tenant=wrong),
                pytest.raises(kysera_dbapi.ConfigurationError, match="must be str"),
            ):
                rows(connection, found)
        with kysera_dbapi.context(tenant="a"):
            for other in ("A", "a ", "b"):
                text = "INSERT INTO named (id, tenant) VALUES (9, %s)"
                with pytest.raises(kysera_dbapi.PolicyViolation):
                    rows(connection, text, (other,))
                with pytest.raises(kysera_dbapi.PolicyViolation):
                    rows(connection, "UPDATE named SET tenant = %s", (other,))


@pytest.mark.parametrize("mode", ["", "STRICT_ALL_TABLES"])
@pytest.mark.parametrize(
    ("type_", "whole", "others"),
    [
        ("int", (2**31 - 1, -(2**31)), (2**31, -(2**31) - 1, 2**80)),
        ("tinyint unsigned", (0, 255), (-1, 256)),
        ("mediumint(5)", (2**23 - 1,), (2**23,)),
        ("bigint unsigned", (2**64 - 1,), (2**64, -1)),
        ("varchar(3)", ("abc", "ab ", "\U0001f600"), ("abcd", "abc ")),
        ("char(3)", ("abc", ""), ("abcd", "ab ")),
        ("tinytext", ("a" * 255, "\xe4" * 127), ("a" * 256, "\xe4" * 128)),
        ("varchar(3) CHARACTER SET latin1", ("abc",), ("\U0001f600", "\u0436")),
        ("text CHARACTER SET latin1", ("abc",), ("\U0001f600", "\u0436")),
    ],
)
def test_a_tenant_that_its_column_does_not_hold_is_refused(
    mysql_url: str,
    raw: Any,
    type_: str,
    whole: tuple[object, ...],
    others: tuple[object, ...],
    mode: str,
) -> None:
    """Outside of strict modes 2**31 is stored as 2**31 - 1."""
    if "char" in type_ or "text" in type_:
        latin = "latin1_nopad_bin" if "MariaDB" in raw.server_version else "latin1_bin"
        exact = latin if "latin1" in type_ else EXACT["MariaDB" in raw.server_version]
        type_ += f" COLLATE {exact}"
    rows(raw, f"CREATE TABLE sized (id int, tenant {type_} NOT NULL)")
    policies = tenant_isolation("tenant", tables=["sized"])
    if "latin1_bin" in type_:  # which MySQL has no exact collation of
        with pytest.raises(kysera_dbapi.ConfigurationError, match="latin1_bin"):
            connected(mysql_url, *policies)
        return
    with closing(connected(mysql_url, *policies)) as connection:
        rows(connection, f"SET sql_mode = '{mode}'")
        for tenant in whole:
            with kysera_dbapi.context(tenant=tenant):
                rows(connection, "INSERT INTO sized (id) VALUES (1)")
                rows(connection, "INSERT IGNORE INTO sized (id) VALUES (2)")
                found = rows(connection, "SELECT tenant FROM sized")
                assert found == [(tenant,), (tenant,)]
        for tenant in others:
            for text in ("INSERT INTO sized (id) VALUES (1)", "SELECT id FROM sized"):
                with (
                    kysera_dbapi.context(tenant=tenant),
                    pytest.raises(kysera_dbapi.ConfigurationError, match="not fit"),
                ):
                    rows(connection, text)
        stored = rows(connection.unwrap(), "SELECT count(*) FROM sized")
        assert stored == [(2 * len(whole),)]


@pytest.mark.parametrize(
    "text",
    [
        "SET CHARACTER SET utf8mb4",
        "SET CHARACTER SET DEFAULT",
        "SET @@collation_connection = latin1_bin",
        "SET SESSION collation_connection = utf8mb3_bin",
        "SET @a = 1, character_set_connection = utf8",
        "SET NAMES utf8",
        "set_charset",
    ],
)
def test_no_letter_of_a_tenant_is_lost(mysql_url: str, raw: Any, text: str) -> None:
    """In another character set on the way it is a question mark."""
    database = arguments(mysql_url)["database"]
    rows(raw, f"ALTER DATABASE {database} CHARACTER SET latin1")
    tenants = ("\u0436", "\U0001f600", "?", "????")
    given = [(id_, tenant) for id_, tenant in enumerate(tenants, 11)]
    with raw.cursor() as cursor:
        cursor.executemany("INSERT INTO named VALUES (%s, %s)", given)
    policies = tenant_isolation("tenant", tables=["named"])
    with closing(connected(mysql_url, *policies)) as connection:
        connection.autocommit(True)
        rows(connection, "SET sql_mode = ''")
        with suppress(kysera_dbapi.Error):
            if text == "set_charset":
                connection.set_character_set("utf8")
            else:
                rows(connection, text)
        for id_, tenant in given:
            with kysera_dbapi.context(tenant=tenant):
                try:
                    assert rows(connection, "SELECT id FROM named") == [(id_,)]
                    rows(connection, "INSERT INTO named (id) VALUES (9)")
                except kysera_dbapi.ConfigurationError:
                    continue
            assert rows(raw, "SELECT tenant FROM named WHERE id = 9") == [(tenant,)]
            rows(raw, "DELETE FROM named WHERE id = 9")
    assert rows(raw, "SELECT id FROM named WHERE id = 9") == []


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_bin"])
def test_a_collation_that_is_not_exact_is_refused(
    mysql_url: str, raw: Any, collation: str
) -> None:
    rows(raw, f"ALTER TABLE named MODIFY tenant varchar(9) COLLATE {collation}")
    policies = tenant_isolation("tenant", tables=["named"])
    with pytest.raises(kysera_dbapi.ConfigurationError, match=collation):
        connected(mysql_url, *policies)


@pytest.mark.parametrize(
    "using",
    [
        'tenant = "x"',
        "tenant = 1 || done = 1",
        r"tenant = 'a\'",
        r"concat('\\', tenant) = 1",
        "NOT tenant BETWEEN 0 AND 1",
        "done = 1 AND NOT tenant = 1",
        "NOT (tenant) = 1",
        "NOT tenant IS NULL",
        "! tenant = 1",
        "abs (tenant) = 7",
    ],
)
def test_a_policy_that_a_mode_would_change_is_refused(
    mysql_url: str, raw: Any, using: str
) -> None:
    with pytest.raises(kysera_dbapi.ConfigurationError):
        connected(mysql_url, Policy("numbered", using=using))


@pytest.mark.parametrize(
    ("using", "found"),
    [
        ("NOT done AND tenant = 7", [1]),
        ("NOT (tenant = 7 OR done = 1)", [2]),
        ("NOT numbered.done", [1, 2]),
        ("tenant NOT IN (7, 1)", [2]),
        ("NOT EXISTS (SELECT 1 FROM named WHERE named.id = numbered.id + 4)", [2, 3]),
        ("tenant IS NOT NULL AND abs(tenant) = 7", [1]),
        ("concat(tenant, 'a') = '7a' OR done = 1", [1, 3]),
        ("tenant NOT BETWEEN 0 AND 1", [1]),
        ("tenant != 7", [2, 3]),
        ("`tenant` = 7", [1]),
        ("tenant | 1 = 1", [2, 3]),
    ],
)
def test_others_mean_the_same_in_each(
    mysql_url: str, raw: Any, using: str, found: list[int]
) -> None:
    with closing(connected(mysql_url, Policy("numbered", using=using))) as connection:
        text = "SELECT id FROM numbered ORDER BY id"
        assert [id_ for (id_,) in rows(connection, text)] == found
        rows(connection, f"SET sql_mode = '{MODES}'")
        assert [id_ for (id_,) in rows(connection, text)] == found

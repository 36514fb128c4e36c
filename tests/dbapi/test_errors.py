"""Twins: an error that is ours and the driver's, raised, copied and pickled."""

import copy
import pickle
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier, Lock
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kysera_dbapi import errors
from kysera_dbapi.errors import CODES, KyseraClass, reraise, translate, twin
from tests.servers import connect

CLASSES: dict[str, KyseraClass] = {
    entry.error_class.__name__: entry.error_class for entry in CODES.values()
}
PEP_249 = [name for name in CLASSES if hasattr(sqlite3, name)]


def caught(run: Callable[[], object]) -> Exception:
    """What a call raises."""
    with pytest.raises(Exception) as info:  # noqa: PT011 (the caller looks at it)
        run()
    return info.value


@pytest.fixture
def shop() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name UNIQUE)")
        connection.execute("INSERT INTO items VALUES (1, 'pen')")
        yield connection


@pytest.fixture
def violation(shop: sqlite3.Connection) -> Exception:
    """What sqlite3 raises for a key that is there twice."""
    return caught(lambda: shop.execute("INSERT INTO items VALUES (2, 'pen')"))


# twins


@pytest.mark.parametrize("name", PEP_249)
def test_a_twin_is_both(name: str) -> None:
    made = twin(CLASSES[name], getattr(sqlite3, name))
    assert issubclass(made, CLASSES[name])
    assert issubclass(made, getattr(sqlite3, name))
    assert made is twin(CLASSES[name], getattr(sqlite3, name))


def test_a_twin_goes_by_the_more_telling_name() -> None:
    plain = twin(errors.IntegrityError, sqlite3.IntegrityError)
    ours = twin(errors.UnsupportedStatement, sqlite3.NotSupportedError)
    assert f"{plain.__module__}.{plain.__qualname__}" == "sqlite3.IntegrityError"
    assert ours.__module__ == "kysera_dbapi.errors"
    assert ours.__qualname__ == ours.__name__ == "UnsupportedStatement"


def test_a_class_that_is_both_already_is_its_own_twin() -> None:
    made = twin(errors.IntegrityError, sqlite3.IntegrityError)
    assert twin(errors.IntegrityError, made) is made
    assert twin(cast("KyseraClass", made), sqlite3.IntegrityError) is made
    assert twin(errors.DataError, errors.DatabaseError) is errors.DataError


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads change places as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_get_the_same_twin() -> None:
    threads, lock = 16, Lock()
    barrier = Barrier(threads)
    drivers = [type("DataError", (Exception,), {}) for _ in range(50)]
    made: list[set[type]] = [set() for _ in drivers]

    def make() -> None:
        for driver, found in zip(drivers, made, strict=True):
            barrier.wait(10)
            one = twin(errors.DataError, driver)
            with lock:
                found.add(one)

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(make) for _ in range(threads)]:
            future.result(30)
    assert [len(found) for found in made] == [1] * len(drivers)


# the driver's errors


def test_both_names_catch_it(violation: Exception) -> None:
    for name in (sqlite3.IntegrityError, errors.IntegrityError, errors.Error):
        with pytest.raises(name, match=r"^UNIQUE constraint failed: items\.name$"):
            raise translate(violation, sqlite3)


def test_the_drivers_message_and_attributes_are_kept(violation: Exception) -> None:
    made = cast("Any", translate(violation, sqlite3))
    assert made.args == violation.args
    assert made.__cause__ is violation
    assert made.code == "integrity-error"
    assert made.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE"
    assert made.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE


def test_a_connection_serves_as_the_driver(
    violation: Exception, shop: sqlite3.Connection
) -> None:
    assert type(translate(violation, shop)) is type(translate(violation, sqlite3))


@pytest.mark.parametrize("name", PEP_249)
def test_each_kind_of_the_drivers_errors(name: str) -> None:
    driver_class: type[Exception] = getattr(sqlite3, name)
    made = translate(driver_class("no luck", 7), sqlite3)
    assert isinstance(made, driver_class)
    assert isinstance(made, CLASSES[name])
    assert str(made) == str(driver_class("no luck", 7))
    assert cast("errors.Error", made).code == CLASSES[name].code


def test_a_subclass_of_the_drivers_error_keeps_its_class() -> None:
    class Locked(sqlite3.OperationalError):
        def __init__(self, table: str, seconds: int) -> None:
            super().__init__(f"{table} is locked")
            self.seconds = seconds

    made = translate(Locked("items", 5), sqlite3)
    assert isinstance(made, Locked)
    assert isinstance(made, errors.OperationalError)
    assert (str(made), made.seconds) == ("items is locked", 5)


def test_a_drivers_own_code_stays_with_the_cause() -> None:
    error = cast("Any", sqlite3.OperationalError("gone"))
    error.code = 2006
    made = cast("Any", translate(error, sqlite3))
    assert (made.code, made.__cause__.code) == ("operational-error", 2006)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_other_errors_are_left_alone(error: BaseException) -> None:
    assert translate(error, sqlite3) is error


def test_a_twin_is_left_alone(violation: Exception) -> None:
    made = translate(violation, sqlite3)
    assert translate(made, sqlite3) is made
    assert translate(made, SimpleNamespace(Error=OSError)) is made


def test_the_most_general_of_two_names_for_a_class() -> None:
    base = type("Error", (Exception,), {})
    driver = SimpleNamespace(Error=base, DatabaseError=base, DataError=base)
    made = translate(base("x"), driver)
    assert isinstance(made, errors.Error)
    assert not isinstance(made, errors.DatabaseError)


# our errors


def test_our_error_becomes_the_drivers_too() -> None:
    error = errors.UnsupportedStatement("REPLACE is refused", code="statement-kind")
    made = translate(error, sqlite3)
    assert isinstance(made, errors.UnsupportedStatement)
    assert isinstance(made, sqlite3.NotSupportedError)
    assert str(made) == "REPLACE is refused"
    assert made.code == "statement-kind"
    assert translate(made, sqlite3) is made


@pytest.mark.parametrize("name", CLASSES)
def test_our_class_falls_to_the_nearest_kind(name: str) -> None:
    made = translate(CLASSES[name]("x"), sqlite3)
    above = [base.__name__ for base in CLASSES[name].__mro__]
    nearest = next(n for n in above if n in PEP_249)
    assert type(made).__mro__.index(getattr(sqlite3, nearest))
    deeper = [n for n in PEP_249 if isinstance(made, getattr(sqlite3, n))]
    assert set(deeper) == {n for n in above if n in PEP_249}


def test_our_errors_cause_notes_and_place_are_kept() -> None:
    def fail() -> None:
        error = errors.ContextMissing("no tenant", code="context-missing")
        error.add_note("raised by intercept of plugin 'rls'")
        try:
            raise LookupError("tenant")
        except LookupError:
            raise error from ValueError("empty")

    error = caught(fail)
    made = translate(error, sqlite3)
    assert isinstance(made, sqlite3.ProgrammingError)
    assert made.__cause__ is error.__cause__
    assert isinstance(made.__context__, LookupError)
    assert made.__notes__ == ["raised by intercept of plugin 'rls'"]
    assert traceback.extract_tb(made.__traceback__)[-1].name == "fail"


def test_a_driver_that_lacks_the_kind_gives_the_next_above() -> None:
    driver = SimpleNamespace(Error=sqlite3.Error, DatabaseError=sqlite3.DatabaseError)
    made = translate(errors.UnsupportedStatement("x", code="too-deep"), driver)
    assert isinstance(made, sqlite3.DatabaseError)
    assert not isinstance(made, sqlite3.NotSupportedError)


def test_a_driver_without_classes_changes_nothing() -> None:
    error = errors.DataError("x")
    assert translate(error, SimpleNamespace(Error="not a class")) is error


def test_a_driver_class_that_wants_more_than_a_message() -> None:
    class Error(Exception):
        def __init__(self, number: int, text: str) -> None:
            super().__init__(number, text)

    made = translate(errors.DataError("x"), SimpleNamespace(Error=Error))
    assert isinstance(made, Error)
    assert str(made) == "x"


def test_a_driver_class_that_words_its_message_itself() -> None:
    class Error(Exception):
        def __init__(self, text: str) -> None:
            super().__init__(1, f"error: {text}")
            self.number = 1

    made = translate(errors.DataError("x"), SimpleNamespace(Error=Error))
    assert isinstance(made, Error)
    assert (str(made), made.number) == ("x", 1)


def test_our_own_module_as_the_driver_changes_nothing() -> None:
    error = errors.PluginError("x", code="plugin-type")
    assert translate(error, errors) is error


# raising


def refuse() -> None:
    raise errors.UnsupportedStatement("refused here", code="statement-kind")


def shown(run: Callable[[], object]) -> str:
    return "".join(traceback.format_exception(caught(run)))


def test_a_reraised_error_is_shown_once() -> None:
    def run() -> None:
        try:
            refuse()
        except errors.Error as error:
            reraise(error, sqlite3)

    text = shown(run)
    assert text.count("refused here\n") == 1
    assert "in refuse" in text
    assert "another exception" not in text


def test_a_reraised_error_keeps_what_was_being_handled() -> None:
    def run() -> None:
        try:
            try:
                raise ValueError("before")
            except ValueError:
                refuse()
        except errors.Error as error:
            reraise(error, sqlite3)

    error = caught(run)
    assert isinstance(error, sqlite3.NotSupportedError)
    assert isinstance(error.__context__, ValueError)
    assert "ValueError: before" in shown(run)


def test_a_reraised_error_of_the_driver_shows_the_original(
    shop: sqlite3.Connection,
) -> None:
    def run() -> None:
        try:
            shop.execute("SELECT gone FROM items")
        except sqlite3.Error as error:
            reraise(error, sqlite3)

    error = caught(run)
    assert isinstance(error, errors.OperationalError)
    assert type(error.__cause__) is sqlite3.OperationalError
    assert "direct cause" in shown(run)


def test_what_is_no_twin_is_reraised_as_it_is() -> None:
    original = ValueError("x")

    def run() -> None:
        try:
            raise original
        except ValueError as error:
            reraise(error, sqlite3)

    error = caught(run)
    assert error is original
    assert error.__context__ is None


# copies

COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(
        lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
]


def same(one: Any, other: Any) -> bool:
    """Whether an error is the copy of another."""
    return (
        type(one) is type(other)
        and one is not other
        and one.args == other.args
        and one.code == other.code
        and repr(one.__cause__) == repr(other.__cause__)
    )


@pytest.mark.parametrize("copied", COPIES)
def test_a_twin_survives_a_copy(
    violation: Exception, copied: Callable[[Any], Any]
) -> None:
    made = translate(violation, sqlite3)
    made.add_note("a note")
    again = copied(made)
    assert same(again, made)
    assert again.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE"
    assert again.__notes__ == ["a note"]


@pytest.mark.parametrize("copied", COPIES)
def test_our_errors_survive_a_copy(copied: Callable[[Any], Any]) -> None:
    error = errors.UnsupportedStatement("x", code="too-deep")
    assert same(copied(error), error)
    error.__cause__ = ValueError("deep")
    made = translate(error, sqlite3)
    assert same(copied(made), made)


def test_a_cause_that_cannot_be_pickled_stays_behind() -> None:
    error = errors.PluginError("x", code="plugin-init")
    error.__cause__ = ValueError(Lock())
    made = cast("Any", translate(error, sqlite3))
    again = pickle.loads(pickle.dumps(made))
    assert (type(again), again.code, again.__cause__) == (type(made), made.code, None)
    assert made.__cause__ is error.__cause__


def test_a_twin_arrives_in_another_process(violation: Exception) -> None:
    code = (
        "import pickle, sys; error = pickle.load(sys.stdin.buffer); "
        "import sqlite3, kysera_dbapi.errors as ours; "
        "assert isinstance(error, sqlite3.IntegrityError); "
        "assert isinstance(error, ours.IntegrityError); "
        "print(error.code, error, type(error.__cause__).__module__)"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            f"import sys; sys.path[:0] = {sys.path!r}; {code}",
        ],
        input=pickle.dumps(translate(violation, sqlite3)),
        capture_output=True,
        check=True,
        timeout=60,
    )
    expected = "integrity-error UNIQUE constraint failed: items.name sqlite3"
    assert result.stdout.decode().strip() == expected


# the drivers of servers


def postgresql_violation(url: str) -> Exception:
    with connect(url) as connection:
        connection.execute("CREATE TABLE items (id int PRIMARY KEY)")
        connection.execute("INSERT INTO items VALUES (1)")
        return caught(lambda: connection.execute("INSERT INTO items VALUES (1)"))


def test_psycopg(postgresql_url: str) -> None:
    import psycopg

    error = postgresql_violation(postgresql_url)
    made = translate(error, psycopg)
    assert isinstance(made, errors.IntegrityError)
    assert isinstance(made, psycopg.errors.UniqueViolation)
    assert (str(made), made.__cause__) == (str(error), error)
    assert (made.code, made.sqlstate) == ("integrity-error", "23505")
    assert made.diag.constraint_name == "items_pkey"
    assert made.pgresult is not None
    name = f"{type(made).__module__}.{type(made).__qualname__}"
    assert name == "psycopg.errors.UniqueViolation"


@pytest.mark.parametrize("copied", COPIES)
def test_psycopg_copies(postgresql_url: str, copied: Callable[[Any], Any]) -> None:
    import psycopg

    made = translate(postgresql_violation(postgresql_url), psycopg)
    assert isinstance(made, psycopg.Error)
    again = copied(made)
    assert same(again, made)
    assert (again.sqlstate, again.diag.constraint_name) == ("23505", "items_pkey")
    assert made.pgresult is not None, "emptied by the copy"


def test_psycopg_and_our_errors(postgresql_url: str) -> None:
    import psycopg

    with connect(postgresql_url) as connection:
        made = cast("Any", translate(errors.ContextMissing("no tenant"), connection))
    assert isinstance(made, psycopg.ProgrammingError)
    assert (made.sqlstate, made.diag.sqlstate, made.pgconn) == (None, None, None)
    assert same(pickle.loads(pickle.dumps(made)), made)


def test_pymysql(mysql_url: str) -> None:
    import pymysql

    with connect(mysql_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE items (id int PRIMARY KEY)")
        cursor.execute("INSERT INTO items VALUES (1)")
        error = caught(lambda: cursor.execute("INSERT INTO items VALUES (1)"))
    made = cast("Any", translate(error, pymysql))
    assert isinstance(made, errors.IntegrityError)
    assert isinstance(made, pymysql.err.IntegrityError)
    assert made.args == error.args
    assert made.args[0] == 1062
    assert vars(error).items() <= vars(made).items()  # PyMySQL 1.2 adds sqlstate
    assert (str(made), made.__cause__) == (str(error), error)
    for copied in COPIES:
        assert same(copied(made), made)
        again = cast("dict[str, Any]", vars(copied(made)))
        assert vars(error).items() <= again.items()


def test_pymysql_and_our_errors(mysql_url: str) -> None:
    import pymysql

    with connect(mysql_url) as connection:
        made = translate(errors.Warning("cut short"), connection)
    assert isinstance(made, pymysql.err.Warning)
    assert isinstance(made, errors.Warning)
    assert str(made) == "cut short"

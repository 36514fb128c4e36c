"""Plans and the caches that keep them."""

import threading
from itertools import count

from kysera_dbapi.binding import Bind, Binding
from kysera_dbapi.outline import Program
from kysera_dbapi.plan import Bounded, Plan
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer

BINDING = Binding("?", 0, (), ())
LEXER = Lexer(get_dialect("sqlite").lexical)


def of(plan: Plan, text: str) -> Plan:
    return plan.of(text, LEXER.shape(text))


def cache(limit: int = 3, room: int = 80) -> Bounded[str, int]:
    return Bounded(limit, room)


def test_the_oldest_entry_goes_first() -> None:
    kept = cache(limit=3)
    for number, key in enumerate("abcd"):
        kept.put(key, number)
    assert kept.items == {"b": 1, "c": 2, "d": 3}
    assert (kept.statistics.misses, kept.statistics.evictions) == (4, 1)


def test_an_entry_put_again_pushes_nothing_out() -> None:
    kept = cache(limit=2)
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        kept.put(key, value)
    assert kept.items == {"a": 3, "b": 2}
    assert kept.statistics.evictions == 0


def test_texts_take_room() -> None:
    kept = cache(limit=100, room=80)
    for number in range(12):
        kept.put(str(number), number, 10)
    assert list(kept.items) == [str(number) for number in range(4, 12)]
    kept.put("11", 0, 0)
    kept.put("12", 12, 10)
    assert "4" in kept.items


def test_a_text_that_would_fill_the_cache_is_not_kept() -> None:
    kept = cache(room=80)
    kept.put("small", 1, 10)
    kept.put("large", 2, 11)
    assert list(kept.items) == ["small"]


def test_threads_that_put_leave_it_bounded() -> None:
    kept = cache(limit=16, room=1000)

    def work(start: int) -> None:
        for number in range(start, start + 2000):
            kept.put(str(number % 97), number, number % 60)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept.items) <= 16
    assert kept.statistics.misses == 16_000
    assert sum(kept._sizes.values()) == kept._used <= 1000


def test_a_program_is_spelled_with_the_literals_of_a_text() -> None:
    program = Program(("SELECT ", 1, " + ", 0), BINDING)
    plan = Plan("", "select", program=program, image=program)
    spelled = of(plan, "SELECT 5 + 'a'")
    assert spelled.sql == spelled.image_sql == "SELECT 'a' + 5"
    assert plan.sql == ""


def test_a_plan_without_a_program_sends_the_text_itself() -> None:
    text = "SELECT 1"
    plan = of(Plan("SELECT 2", "select"), text)
    assert plan.sql is text
    assert plan.alone
    assert plan.bind is None


def test_a_plan_that_adds_values_asks_for_them_each_time() -> None:
    numbers = count()
    added = Program(("SELECT ?, ?",), Binding("?", 1, (0, -1), ("_k0",)))
    bind = Bind("number", lambda: next(numbers))
    plan = of(Plan("", "select", program=added, binds=(bind,)), "SELECT ?")
    assert plan.alone
    assert plan.bind is not None
    assert [plan.bind(("a",)), plan.bind(["b"])] == [("a", 0), ("b", 1)]


def test_a_plan_with_an_effect_is_not_alone() -> None:
    assert not Plan("", "begin", effect="transaction").alone
    assert not of(Plan("", "begin", effect="transaction"), "BEGIN").alone

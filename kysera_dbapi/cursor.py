"""What a planned cursor adds to its driver's: plans, and what they want done besides.

The cursor's class is a subclass of the driver's own, so that fetching costs nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from kysera_dbapi._blocks import NOTHING, Block, scope, singles
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plan import Plan, steps
from kysera_dbapi.session import Session
from kysera_dbapi.shape import Lexeme, Lexer, check_text

if TYPE_CHECKING:
    from kysera_dbapi.connection import Connection

__all__ = ["ABSENT", "Planned", "Translating", "translated"]

ABSENT: Any = object()


class Planned:
    """The planned half of a cursor class; the other half is the driver's class."""

    __slots__ = ()

    #: The class beneath, the driver's or a caller's subclass of it, and its methods.
    _raw_class: Any
    _raw_execute: Any
    _raw_executemany: Any
    #: The text on its way down through a program's own class.
    _sent: str | None = None
    #: Whether that class translates ``%s`` before the driver sees the text.
    _translates: bool = False
    _proxy: "Connection"
    _session: Session
    rowcount: int
    lastrowid: int | None
    arraysize: int

    @property
    def connection(self) -> Any:
        """The connection, as it was asked for the cursor."""
        return self._proxy

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Plan the statement and execute it; returns the cursor."""
        plan = None
        try:
            # the way of most executions: it calls nothing of Python's own
            if scope() is NOTHING:
                try:
                    sent, bind, first = self._session.direct[sql]
                except KeyError:
                    pass
                else:
                    if bind is None:
                        return self._raw_execute(sent, parameters)
                    if first and type(parameters) is tuple:
                        try:
                            own = (singles()[first],)
                        except KeyError:
                            pass  # bind() says what is missing
                        else:
                            return self._raw_execute(sent, own + parameters)
                    return self._raw_execute(sent, bind(parameters))
            with self._session.in_context():
                plan = self._plan(sql, style=0)
                self._run(sql, plan, parameters)
        except Exception as error:
            with self._session.in_context():
                self._again(error, sql, plan, parameters)
        return self

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any:
        """Plan the statement once and execute it for each of ``rows``."""
        plan = None
        try:
            with self._session.in_context():
                plan = self._plan(sql, style=self._style(()))
                self._watched(sql, plan, rows, many=True)
        except Exception as error:
            self._raise_many(error, plan, rows)
        return self

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        try:
            rows: list[Any] = self._raw_class.fetchall(self)
            return rows
        except Exception as error:
            self._raise(error, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next ``size`` rows, by default ``arraysize``."""
        count = self.arraysize if size is None else size
        try:
            rows: list[Any] = self._raw_class.fetchmany(self, count)
            return rows
        except Exception as error:
            self._raise(error, None)

    # -- planning -----------------------------------------------------------------

    def _style(self, parameters: Any) -> int:
        """By which of the lexers a text that comes with such values is read."""
        return 0

    def _plan(self, sql: Any, *, style: int) -> Plan:
        at = (sql, self._session.scope(), style)
        found = self._session.plans.get(at)
        if found is not None:
            self._session.pipeline.directly(found, at)  # others have pushed it out
            return found
        check_text(sql).encode()  # UnicodeEncodeError for no UTF-8, as drivers do
        return self._session.plan(sql, format_style=style)

    def _again(
        self, error: Exception, sql: str, plan: Plan | None, parameters: Any
    ) -> None:
        """Execute once more by a fresh catalogue, if the error came of an old one."""
        session = self._session
        style = self._style(parameters)
        try:
            known = session.formatted if style else session.direct
            if plan is None and sql in known:
                plan = self._plan(sql, style=style)
            if plan is not None and plan.bind is not None:
                plan.bind(parameters)  # a wrong count is told in the caller's numbers
                session.check_context(plan)
            if self._came_of_old(error):
                plan = self._plan(sql, style=style)
                self._run(sql, plan, parameters)
                return
            if plan is not None and self._revived(error, sql, plan, parameters):
                return
        except Exception as second:
            self._raise(second, plan)
        try:
            self._raise(error, plan)
        finally:
            del error  # as in _raise

    def _came_of_old(self, error: Exception) -> bool:
        """Whether an error came of an old catalogue, and there is a new one."""
        session = self._session
        differs = session.goes_on and session.dialect.schema_differs(error)
        return differs and session.refresh()

    def _revived(self, error: Exception, sql: str, plan: Plan, parameters: Any) -> bool:
        """Send what the plan has for a statement that a unique key has refused.

        False if there is nothing. The first error stands where that meets a row which
        its guards keep: it tells nobody why. To be called as the error is handled.
        """
        key = self._session.collided(error, plan) if plan.retry_sql else None
        if key is None:
            return False
        with self._session.recovered():
            self._retry(error, sql, plan, parameters, key=key.name)
        return True

    def _retry(
        self, error: Exception, sql: str, plan: Plan, parameters: Any, *, key: str
    ) -> None:
        session, style = self._session, self._style(parameters)
        if session.reread():
            plan = self._plan(sql, style=style)
        if not plan.retry_sql:
            self._raise(error, plan)
        try:
            with Block(f"{plan.retry_flag}:{key}"):
                second = self._plan(plan.retry_sql, style=style)
            if not second.checked:
                raise UnsupportedStatement(
                    "report mode would send it unguarded", code="unsupported-statement"
                )
        except UnsupportedStatement as refusal:
            error.add_note(f"it was not tried as an upsert: {refusal}")
            self._raise(error, replace(plan, retry_sql=""))
        try:
            self._watched(sql, second, parameters, many=False)
        except Exception as another:
            kept = session.violated(another) is not None
            if not (kept or session.dialect.meets_twice(another)):
                self._raise(another, second)
        else:
            row = session.violations.told
            if row is not None and row != self.lastrowid:
                session.set_last_row(row)
                self._number(row)
            return
        self._raise(error, plan)

    def _raise_many(
        self, error: Exception, plan: Plan | None, rows: Iterable[Any]
    ) -> NoReturn:
        """As ``_raise``; a wrong count is told in the caller's numbers."""
        if plan is not None and plan.program is not None:
            try:
                plan.program.binding.check(rows)
                self._session.check_context(plan)
            except Exception as clearer:
                self._raise(clearer, plan)
        try:
            self._raise(error, plan)
        finally:
            del error  # as in _raise

    def _raise(self, error: Exception, plan: Plan | None) -> NoReturn:
        """Raise the error as ours and the driver's; to be called as it is handled."""
        session = self._session
        session.failed_statement()
        twin = session.error(error)
        if plan is not None:
            twin = session.explained(twin, plan)
        try:
            if twin is error:
                raise error
            raise twin from twin.__cause__
        finally:
            # the traceback holds this frame: a cycle would keep the cursor alive
            del error, twin

    # -- execution ----------------------------------------------------------------

    def _run(self, sql: str, plan: Plan, parameters: Any) -> None:
        if plan.alone and not self._session.hooked:
            self._send(plan, parameters)
            return
        if plan.reads_columns and self._session.reread():
            plan = self._plan(sql, style=self._style(parameters))
        self._watched(sql, plan, parameters, many=False)

    def _watched(self, sql: str, plan: Plan, parameters: Any, *, many: bool) -> None:
        session = self._session

        def run() -> int:
            with self._atomic(plan, many=many):
                send = partial(self._send_many, sql) if many else self._send
                if session.hooked:
                    with session.holding(plan):
                        send(plan, parameters)
                else:
                    send(plan, parameters)
                session.done(plan)
            return int(self.rowcount)

        if not session.hooked:
            run()
            return
        session.watched(session.event(sql, plan, parameters), run)
        if not many:
            self._follow(plan)
            if session.last_row is not None:
                self._number(session.last_row)

    def _follow(self, plan: Plan) -> None:
        """Forget the row that was revived last, if one has been inserted since."""
        session = self._session
        pending = session.last_row is not None and session.inserts(plan)
        if pending and (plan.returns or self.rowcount):
            session.set_last_row(None)

    def _atomic(self, plan: Plan, *, many: bool) -> AbstractContextManager[None]:
        session = self._session
        if plan.companions or (many and (plan.checked or plan.shielded)):
            return session.atomic(returns=plan.returns and not many)
        if plan.undoable and session.rechecks:
            return session.undoable()
        if plan.effect == "transaction":
            return session.turn
        return session.shielded() if plan.shielded else nullcontext()

    def _send(self, plan: Plan, parameters: Any) -> None:
        if plan.checked:
            self._session.violations.begin()
        if plan.supplied:
            self._session.check_supplied(plan, (parameters,))
        self._send_as_planned(plan, parameters)
        if plan.silent:
            self._settle()

    def _settle(self, count: int | None = None) -> None:
        """Read the rows that nobody asked for, and let nobody see that they were.

        ``count`` is the rowcount of many executions.
        """
        raise NotImplementedError

    def _number(self, row: int | None) -> None:
        """Tell ``row`` as ``lastrowid`` until the next statement."""
        raise NotImplementedError

    def _send_as_planned(self, plan: Plan, parameters: Any) -> None:
        if parameters is None or plan.sends_as_given:
            self._raw_execute(
                plan.sql, *(() if parameters is ABSENT else (parameters,))
            )
            return
        given = () if parameters is ABSENT else parameters
        if plan.companions:
            self._raw_execute(plan.sql, self._prepared(plan, given))
            return
        assert plan.bind is not None
        self._raw_execute(plan.sql, plan.bind(given))

    def _send_many(self, sql: str, plan: Plan, rows: Iterable[Any]) -> None:
        if plan.silent or plan.retry_sql:
            row = getattr(self, "lastrowid", None)  # PyMySQL has none at first
            try:
                self._send_each(sql, plan, rows)
            finally:
                self._number(row)
            return
        if plan.supplied:
            rows = rows if isinstance(rows, (list, tuple)) else list(rows)
            self._session.check_supplied(plan, rows)
        self._raw_executemany(plan.sql, self._bound(plan, rows))
        self._follow(plan)

    def _bound(self, plan: Plan, rows: Iterable[Any]) -> Iterable[Any]:
        """The values to send for each of ``rows``; ours are asked for once."""
        if plan.companions:
            # the driver takes a row when it is to be executed: its companions run then
            return (self._prepared(plan, row) for row in rows)
        if plan.sends_as_given:
            return rows
        assert plan.program is not None
        values = tuple(bind.source() for bind in plan.binds)
        return plan.program.binding.bind_many(rows, values)

    def _send_each(self, sql: str, plan: Plan, rows: Iterable[Any]) -> None:
        """One by one: ``executemany`` takes no rows back, and ends with an error."""
        session, count, row = self._session, 0, None

        def taken() -> Iterator[Any]:
            nonlocal row
            for one in rows:
                row = one
                yield one

        for index, values in enumerate(self._bound(plan, taken())):
            try:
                self._send_values(plan, values)
            except Exception as error:
                if not self._revived(error, sql, plan, row):
                    violated = session.violated(error, index)
                    if violated is None:
                        raise
                    raise violated from error
            else:
                self._follow(plan)
            known = count >= 0 and self.rowcount >= 0
            count = count + self.rowcount if known else -1
        self._settle(count)

    def _send_values(self, plan: Plan, values: Any) -> None:
        """Send one of many; its rows are nobody's."""
        if plan.checked:
            self._session.violations.begin()
        with self._session.shielded() if plan.shielded else nullcontext():
            self._raw_execute(plan.sql, values)
        if plan.silent or plan.returns:
            self._settle()

    def _prepared(self, plan: Plan, parameters: Any) -> Any:
        """Run the companions of one execution; returns the statement's values."""
        session = self._session
        todo: Iterator[Any] = steps(plan, parameters)
        rows: Any = None
        try:
            while True:
                sql, values = todo.send(rows)  # type: ignore[attr-defined]
                if self._translates and sql is plan.image_sql:
                    sql = translated(sql, session.pipeline.lexers[1])
                rows = session.execute(sql, values)
        except StopIteration as done:
            return done.value[1]


def translated(sql: str, lexer: Lexer) -> str:
    """A text with ``%s`` as the driver has it: what a program's cursor class sends."""
    return "".join(_qmark(t) for t in lexer.lex(sql))


def _qmark(lexeme: Lexeme) -> str:
    if lexeme.kind != "placeholder" or lexeme.text[0] != "%" or lexeme.text == "%%":
        return lexeme.text.replace("%%", "%")
    return "?" if lexeme.text == "%s" else f":{lexeme.text[2:-2]}"


class Translating(Planned):
    """Over a class that gives the driver another text: Django's turns ``%s`` to ``?``.

    It does so only for values that it is given.
    """

    __slots__ = ()

    _translates = True

    def _style(self, parameters: Any) -> int:
        return int(parameters is not ABSENT and parameters is not None)

    def execute(self, sql: str, parameters: Any = ABSENT, /) -> Any:
        """Plan the statement and execute it; returns the cursor."""
        plan = None
        try:
            with self._session.in_context():
                plan = self._plan(sql, style=self._style(parameters))
                self._run(sql, plan, parameters)
        except Exception as error:
            with self._session.in_context():
                self._again(error, sql, plan, parameters)
        return self

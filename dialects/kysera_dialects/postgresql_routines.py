"""What runs in a PostgreSQL database: functions, operators, triggers and rules.

Objects are known by their numbers, as the parts of ``postgresql_queries`` give them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from kysera_dbapi.catalogue import Function, Trigger, key_of
from kysera_dbapi.dialect import Dialect

__all__ = ["Routines"]

#: The bits of pg_trigger.tgtype, and the digits of pg_rewrite.ev_type.
_FIRED = {4: "INSERT", 8: "DELETE", 16: "UPDATE", 32: "TRUNCATE"}
#: For each row.
_BEFORE = 3
_RULED = {"2": "UPDATE", "3": "INSERT", "4": "DELETE"}

_NONE: frozenset[str] = frozenset()


class Routines:
    """Functions and what uses them; ``tables`` are the keys of the relations."""

    def __init__(
        self,
        dialect: Dialect,
        parts: Mapping[str, Sequence[Any]],
        tables: Mapping[str, str],
    ) -> None:
        self._dialect = dialect
        self._parts = parts
        self._tables = tables

    # -- what a definition uses ---------------------------------------------------

    def reads(self, kind: str, number: str) -> frozenset[str]:
        """The keys of the tables that a table, rule or function names."""
        return self._uses["table"].get((kind, number), _NONE)

    def calls(self, kind: str, number: str) -> frozenset[str]:
        """The keys of the functions and operators that something calls."""
        return self._uses["function"].get((kind, number), _NONE)

    @cached_property
    def _uses(self) -> Mapping[str, Mapping[tuple[str, str], frozenset[str]]]:
        reads: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        calls: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for kind, number, used, used_number in self._parts["uses"]:
            key = self._keys.get((used, used_number))
            if key is not None:
                (reads if used == "table" else calls)[kind, number].add(key)
        for kind, number, schema, name in self._parts["called"]:
            calls[kind, number].add(key_of(schema, name))
        return {
            "table": {owner: frozenset(keys) for owner, keys in reads.items()},
            "function": {owner: frozenset(keys) for owner, keys in calls.items()},
        }

    @cached_property
    def _keys(self) -> dict[tuple[str, str], str]:
        """The keys of all that can be used, by kind and number."""
        keys = {("table", number): key for number, key in self._tables.items()}
        for kind, part in (("function", "routines"), ("operator", "operators")):
            for number, schema, name, *_ in self._parts[part]:
                keys[kind, number] = key_of(schema, name)
        return keys

    # -- functions and operators --------------------------------------------------

    @cached_property
    def by_key(self) -> dict[str, tuple[Function, ...]]:
        """The functions and operators of each key."""
        found: dict[str, tuple[Function, ...]] = {}
        for one in (*self._functions(), *self._operators()):
            found[one.key] = (*found.get(one.key, ()), one)
        return found

    def _functions(self) -> Iterator[Function]:
        for number, schema, name, *row in self._parts["routines"]:
            language, text, parsed, extension, implicit, takes = row
            yield Function(
                schema,
                name,
                language=language,
                text=text,
                extension=extension or "",
                implicit=implicit,
                # a body that is kept as a text is looked at when it runs
                reads=self.reads("function", number) if parsed else None,
                calls=self.calls("function", number),
                takes=_elements(takes),
            )

    def _operators(self) -> Iterator[Function]:
        for number, schema, name, extension, takes in self._parts["operators"]:
            yield Function(
                schema,
                name,
                extension=extension or "",
                reads=_NONE,
                calls=self.calls("operator", number),
                takes=_elements(takes),
            )

    # -- triggers and rules -------------------------------------------------------

    @cached_property
    def triggers(self) -> Mapping[str, Sequence[Trigger]]:
        """The triggers and rules of each relation."""
        found: defaultdict[str, list[Trigger]] = defaultdict(list)
        for relation, name, bits, *function in self._parts["triggers"]:
            key, text = self._called(*function)
            for bit, event in _FIRED.items():
                if bits & bit:
                    before = bits & _BEFORE == _BEFORE
                    found[relation].append(
                        Trigger(name, event, text, function=key, before=before)
                    )
        for number, relation, name, event, instead in self._parts["rules"]:
            uses = self.reads("rule", number)
            rule = Trigger(
                name,
                _RULED[event],
                "",
                uses=uses,
                calls=self.calls("rule", number),
                instead=instead,
            )
            found[relation].append(rule)
        return found

    def _called(
        self, schema: str, name: str, arguments: str, number: str
    ) -> tuple[str, str]:
        """The key of a trigger's function; the call, and what the function says."""
        quote, literal = self._dialect.quote, self._dialect.literal
        given = bytes.fromhex(arguments).split(b"\0")[:-1]
        listed = ", ".join(literal(one.decode(errors="replace")) for one in given)
        call = f"EXECUTE FUNCTION {quote(schema)}.{quote(name)}({listed})"
        body = self._bodies.get(number, "")
        return key_of(schema, name), f"{call} {body}".rstrip()

    @cached_property
    def _bodies(self) -> dict[str, str]:
        return {row[0]: row[4] for row in self._parts["routines"]}


def _elements(types: Sequence[str] | None) -> frozenset[str]:
    """The names of types; of an array's that of its elements, too."""
    return frozenset(name for one in types or () for name in (one, one.lstrip("_")))

"""The queries by which PostgreSQL's catalogue is read.

Every name in them has its schema, operators and types too: no search path can put
another in its place. Definitions are taken from pg_depend, and from the trees that the
server stores; the functions that print them (``pg_get_viewdef``) lock the tables they
name, until the transaction ends.

https://www.postgresql.org/docs/current/catalogs.html
"""

import re

__all__ = ["DEFINITION", "INDEXES", "OWN", "PARTS", "READ", "qualified"]

_OPERATOR = re.compile(r" (=|<>|>=|\|\||->>|\*|-) ")


def qualified(sql: str) -> str:
    """A query whose operators between blanks have their schema."""
    return _OPERATOR.sub(r" OPERATOR(pg_catalog.\1) ", sql)


#: The first object that is none of the database's own has this number.
OWN = ">= CAST(16384 AS pg_catalog.oid)"


def _class(catalogue: str) -> str:
    """What pg_depend calls a catalogue."""
    return f"CAST('pg_catalog.{catalogue}' AS pg_catalog.regclass)"


_SETTINGS = """
    SELECT pg_catalog.json_build_array(
        pg_catalog.current_database(), pg_catalog.current_schema(),
        pg_catalog.current_schemas(true),
        (SELECT n.nspname FROM pg_catalog.pg_namespace n
         WHERE n.oid = pg_catalog.pg_my_temp_schema())) AS part"""

# a view that says something else makes another catalogue, by the digest of its tree
_RELATIONS = f"""
    SELECT pg_catalog.json_build_array(
        c.oid, n.nspname, c.relname, c.relkind, c.reltoastrelid,
        (SELECT CAST(o.option_value AS boolean)
         FROM pg_catalog.pg_options_to_table(c.reloptions) o
         WHERE c.relkind = 'v' AND o.option_name = 'security_invoker'),
        (SELECT pg_catalog.md5(CAST(r.ev_action AS pg_catalog.text))
         FROM pg_catalog.pg_rewrite r
         WHERE r.ev_class = c.oid AND r.ev_type = '1' AND c.oid {OWN})) AS part
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = ANY ('{{r,p,v,m,f,S,t}}')
    AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
    ORDER BY c.oid"""

_PARENTS = """
    SELECT pg_catalog.json_build_array(i.inhrelid, i.inhparent) AS part
    FROM pg_catalog.pg_inherits i ORDER BY i.inhrelid, i.inhseqno"""

#: Whether no row has a NULL there: a constraint that is NOT VALID says it of new rows
#: alone (PostgreSQL 18).
_NOT_NULL = """(a.attnotnull AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_constraint k
            WHERE k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum]
            AND k.contype = 'n' AND NOT k.convalidated))"""

# a default names no column, so that it is printed without a look at its table; a type
# has one for where there is none
_COLUMNS = f"""
    SELECT pg_catalog.json_build_array(
        a.attrelid, a.attnum, a.attname,
        pg_catalog.format_type(a.atttypid, a.atttypmod),
        {_NOT_NULL}, a.attgenerated, a.attidentity, a.attcollation,
        CASE WHEN a.attgenerated = '' THEN COALESCE(
            pg_catalog.pg_get_expr(d.adbin, CAST(0 AS pg_catalog.oid)), t.typdefault)
        END,
        pg_catalog.quote_ident(s.nspname) || '.' || pg_catalog.quote_ident(o.collname)
        ) AS part
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_namespace s ON s.oid = o.collnamespace
    LEFT JOIN pg_catalog.pg_attrdef d
        ON a.atthasdef AND d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid {OWN} AND a.attnum >= 1 AND NOT a.attisdropped
    AND c.relkind = ANY ('{{r,p,v,m,f,S}}')
    ORDER BY a.attrelid, a.attnum"""

#: What generated columns are computed from; before PostgreSQL 15 the column itself
#: depends on it, not its expression.
_SOURCES = f"""
    SELECT pg_catalog.json_build_array(a.attrelid, a.attnum, d.refobjsubid) AS part
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    JOIN pg_catalog.pg_depend d ON (d.classid = {_class("pg_attrdef")}
        AND d.objid = f.oid OR d.classid = {_class("pg_class")}
        AND d.objid = a.attrelid AND d.objsubid = a.attnum)
        AND d.refclassid = {_class("pg_class")} AND d.refobjid = a.attrelid
    WHERE a.attgenerated <> '' AND d.refobjsubid <> a.attnum
    ORDER BY a.attrelid, a.attnum, d.refobjsubid"""

#: Whether the names of its columns are all that there is to an index.
_IS_PLAIN = """(
            i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts
            AND NOT COALESCE(
                pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true', false)
            AND NOT EXISTS (
                SELECT 1 FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) e(place)
                JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[e.place]
                JOIN pg_catalog.pg_opclass c ON c.oid = i.indclass[e.place]
                WHERE i.indoption[e.place] <> 0 OR NOT c.opcdefault
                OR a.attcollation <> i.indcollation[e.place]))"""

# printing an index looks at its table, so only those are printed that it takes
_KEYS = f"""
    SELECT pg_catalog.json_build_array(
        i.indrelid, c.relname, i.indnkeyatts, CAST(i.indkey AS pg_catalog.text),
        CAST(i.indcollation AS pg_catalog.text), i.indisprimary,
        i.indpred IS NOT NULL, k.oid IS NULL,
        NOT i.indimmediate,
        pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true',
        CASE WHEN k.oid IS NULL AND NOT {_IS_PLAIN}
        THEN pg_catalog.pg_get_indexdef(c.oid) END,
        (SELECT pg_catalog.json_agg(
            o.oprname = '=' AND o.oprnamespace = s.oid ORDER BY e.place)
         FROM pg_catalog.unnest(k.conexclop) WITH ORDINALITY AS e(operator, place)
         JOIN pg_catalog.pg_operator o ON o.oid = e.operator
         JOIN pg_catalog.pg_namespace s ON s.nspname = 'pg_catalog')) AS part
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint k
        ON k.conindid = c.oid AND k.contype = ANY ('{{p,u,x}}')
    WHERE (i.indisunique OR i.indisexclusion) AND i.indislive
    AND i.indrelid {OWN} ORDER BY i.indrelid, c.relname"""


def _action(column: str) -> str:
    """What a foreign key does: nothing if it is NOT ENFORCED (PostgreSQL 18)."""
    idle = "pg_catalog.to_jsonb(k) ->> 'conenforced' = 'false'"
    return f"CASE WHEN {idle} THEN 'a' ELSE k.{column} END"


_FOREIGN_KEYS = f"""
    SELECT pg_catalog.json_build_array(
        k.conrelid, k.confrelid, k.conkey, k.confkey, {_action("confdeltype")},
        {_action("confupdtype")}, k.conparentid <> CAST(0 AS pg_catalog.oid),
        pg_catalog.to_jsonb(k) ->> 'conperiod' = 'true') AS part
    FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' ORDER BY k.oid"""

# what is internal is a constraint's; before PostgreSQL 15 also a partition's share
# of its table's triggers
_TRIGGERS = """
    SELECT pg_catalog.json_build_array(
        t.tgrelid, t.tgname, t.tgtype, n.nspname, p.proname,
        pg_catalog.encode(t.tgargs, 'hex'), t.tgfoid) AS part
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE t.tgenabled <> 'D' AND NOT (t.tgisinternal AND n.nspname = 'pg_catalog')
    ORDER BY t.tgrelid, t.tgname"""

_RULES = """
    SELECT pg_catalog.json_build_array(
        r.oid, r.ev_class, r.rulename, r.ev_type, r.is_instead) AS part
    FROM pg_catalog.pg_rewrite r
    WHERE r.ev_type <> '1' AND r.ev_enabled <> 'D' ORDER BY r.ev_class, r.rulename"""

_FUNCTIONS = f"""
    SELECT pg_catalog.json_build_array(f.name, pg_catalog.bool_and(f.steady)) AS part
    FROM (
        SELECT p.proname, p.pronamespace, p.oid, p.provolatile <> 'v'
        FROM pg_catalog.pg_proc p
        UNION ALL
        SELECT o.oprname, o.oprnamespace, o.oid, true FROM pg_catalog.pg_operator o
    ) AS f(name, namespace, oid, steady)
    JOIN pg_catalog.pg_namespace n ON n.oid = f.namespace
    WHERE n.nspname = 'pg_catalog' AND NOT f.oid {OWN}
    GROUP BY f.name ORDER BY f.name"""


def _extension(catalogue: str, oid: str) -> str:
    """The extension that an object comes with."""
    return f"""(
        SELECT x.extname FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
        WHERE d.classid = {_class(catalogue)} AND d.objid = {oid}
        AND d.deptype = 'e')"""


def _takes(types: str) -> str:
    """The names of the types of an array that are none of the database's own."""
    return f"""(
        SELECT pg_catalog.json_agg(t.typname ORDER BY t.oid)
        FROM pg_catalog.pg_type t WHERE t.oid = ANY ({types}) AND t.oid {OWN})"""


#: What a parsed body does to tables: the kinds of its statements.
_DOES = """(
        SELECT pg_catalog.string_agg(CASE WHEN m.found[1] = '2' THEN 'UPDATE'
            WHEN m.found[1] = '3' THEN 'INSERT' WHEN m.found[1] = '4' THEN 'DELETE'
            ELSE 'INSERT UPDATE DELETE' END, ' ')
        FROM pg_catalog.regexp_matches(pg_catalog.to_jsonb(p) ->> 'prosqlbody',
            ':commandType ([2-9])', 'g') AS m(found))"""

# casts, types and operator classes call functions that no text names
_ROUTINES = f"""
    SELECT pg_catalog.json_build_array(
        p.oid, n.nspname, p.proname, l.lanname, pg_catalog.concat_ws(
            ' ', p.prosrc, CASE WHEN p.prosrc = '' THEN {_DOES} END,
            pg_catalog.pg_get_expr(p.proargdefaults, CAST(0 AS pg_catalog.oid))),
        p.prosrc = '' AND l.lanname = 'sql', {_extension("pg_proc", "p.oid")}, EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend d
            LEFT JOIN pg_catalog.pg_constraint k
                ON k.oid = d.objid AND d.classid = {_class("pg_constraint")}
            WHERE d.refclassid = {_class("pg_proc")} AND d.refobjid = p.oid
            AND (d.classid = ANY (CAST('{{pg_catalog.pg_cast,pg_catalog.pg_type,
                pg_catalog.pg_amproc}}' AS pg_catalog.regclass[]))
            OR k.contypid <> CAST(0 AS pg_catalog.oid))),
        {_takes("p.proargtypes")}) AS part
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.oid {OWN} ORDER BY p.oid"""

_OPERATORS = f"""
    SELECT pg_catalog.json_build_array(
        o.oid, n.nspname, o.oprname, {_extension("pg_operator", "o.oid")},
        {_takes("ARRAY[o.oprleft, o.oprright]")}) AS part
    FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE o.oid {OWN} ORDER BY o.oid"""

#: A view's query is that of the table; any other rule is a definition by itself.
_RULED = (
    "CASE WHEN o.ev_type = '1' THEN 'table' ELSE 'rule' END",
    "CASE WHEN o.ev_type = '1' THEN o.ev_class ELSE o.oid END",
)
_IS_CHECK, _IS_ENABLED = "o.contype = 'c'", "o.tgenabled <> 'D'"
_IS_TABLE = "o.relkind = ANY ('{r,p,f}')"
#: What holds a definition: its class and number, and whose definition it is.
_OWNERS = " UNION ALL ".join(
    f"SELECT {_class(class_)}, o.{number}, {kind}, {whose} "
    f"FROM pg_catalog.{catalogue} o WHERE o.{number} {OWN} AND {where}"
    for catalogue, class_, number, kind, whose, where in (
        ("pg_rewrite", "pg_rewrite", "oid", *_RULED, "true"),
        ("pg_attrdef", "pg_attrdef", "oid", "'table'", "o.adrelid", "true"),
        ("pg_constraint", "pg_constraint", "oid", "'table'", "o.conrelid", _IS_CHECK),
        ("pg_index", "pg_class", "indexrelid", "'table'", "o.indrelid", "true"),
        ("pg_class", "pg_class", "oid", "'table'", "o.oid", _IS_TABLE),
        ("pg_trigger", "pg_trigger", "oid", "'table'", "o.tgrelid", _IS_ENABLED),
        ("pg_policy", "pg_policy", "oid", "'table'", "o.polrelid", "true"),
        ("pg_proc", "pg_proc", "oid", "'function'", "o.oid", "true"),
        ("pg_operator", "pg_operator", "oid", "'operator'", "o.oid", "true"),
    )
)

# a function of triggers is called by them alone
_USES = f"""
    SELECT pg_catalog.jsonb_build_array(o.kind, o.whose, CASE
        WHEN d.refclassid = {_class("pg_class")} THEN 'table'
        WHEN d.refclassid = {_class("pg_proc")} THEN 'function'
        ELSE 'operator' END, d.refobjid) AS part
    FROM ({_OWNERS}) AS o(catalogue, oid, kind, whose)
    JOIN pg_catalog.pg_depend d ON d.classid = o.catalogue AND d.objid = o.oid
    WHERE d.refclassid = ANY (CAST('{{pg_catalog.pg_class,pg_catalog.pg_proc,
        pg_catalog.pg_operator}}' AS pg_catalog.regclass[]))
    AND NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_proc p WHERE p.oid = d.refobjid
        AND d.refclassid = {_class("pg_proc")}
        AND p.prorettype = CAST('pg_catalog.trigger' AS pg_catalog.regtype))
    AND NOT (o.kind = 'table' AND d.refobjid = o.whose
        AND d.refclassid = {_class("pg_class")})
    GROUP BY 1 ORDER BY 1"""

#: The database's own functions: pg_depend knows nothing of them, the trees do.
_CALLED = f"""
    SELECT pg_catalog.jsonb_build_array(
        t.kind, t.whose, n.nspname, p.proname) AS part
    FROM (
        SELECT {_RULED[0]}, {_RULED[1]}, CAST(o.ev_action AS pg_catalog.text)
        FROM pg_catalog.pg_rewrite o WHERE o.oid {OWN}
        UNION ALL
        SELECT 'table', a.adrelid, CAST(a.adbin AS pg_catalog.text)
        FROM pg_catalog.pg_attrdef a
        UNION ALL
        SELECT 'table', k.conrelid, CAST(k.conbin AS pg_catalog.text)
        FROM pg_catalog.pg_constraint k WHERE k.oid {OWN} AND k.contype = 'c'
        UNION ALL
        SELECT 'function', p.oid, pg_catalog.to_jsonb(p) ->> 'prosqlbody'
        FROM pg_catalog.pg_proc p WHERE p.oid {OWN} AND p.prosrc = ''
    ) AS t(kind, whose, tree)
    CROSS JOIN pg_catalog.regexp_matches(
        t.tree, ':(?:funcid|aggfnoid|winfnoid) ([0-9]+)', 'g') AS m(found)
    JOIN pg_catalog.pg_proc p ON p.oid = CAST(m.found[1] AS pg_catalog.oid)
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE NOT p.oid {OWN}
    GROUP BY 1 ORDER BY 1"""

#: The parts of the catalogue, each a query of one column, ``part``, of JSON.
PARTS = {
    "settings": _SETTINGS,
    "relations": _RELATIONS,
    "parents": _PARENTS,
    "columns": _COLUMNS,
    "sources": _SOURCES,
    "keys": _KEYS,
    "foreign_keys": _FOREIGN_KEYS,
    "triggers": _TRIGGERS,
    "rules": _RULES,
    "functions": _FUNCTIONS,
    "routines": _ROUTINES,
    "operators": _OPERATORS,
    "uses": _USES,
    "called": _CALLED,
}


def _document(query: str) -> str:
    """All rows of a part as one; as UTF-8, whatever the encoding of the client."""
    return (
        "pg_catalog.convert_to(CAST((SELECT pg_catalog.json_agg(q.part) "
        f"FROM ({query}) q) AS pg_catalog.text), 'UTF8')"
    )


#: One query, for one snapshot: a row of the parts in their order.
READ = qualified(f"SELECT {', '.join(map(_document, PARTS.values()))}")

#: The indexes of the table of a schema and a name over all of its rows: a row for each
#: of their columns, NULL for an expression.
INDEXES = qualified("""
    SELECT x.relname, a.attname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k(place)
    LEFT JOIN pg_catalog.pg_attribute a
        ON a.attrelid = c.oid AND a.attnum = i.indkey[k.place]
    WHERE n.nspname = %s AND c.relname = %s AND i.indpred IS NULL AND i.indisvalid
    ORDER BY x.relname, k.place""")

#: The query of the view of a schema and a name.
DEFINITION = qualified("""
    SELECT pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s""")

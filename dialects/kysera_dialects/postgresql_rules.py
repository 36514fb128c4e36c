"""The rules for PostgreSQL's kinds of statement: the table of docs/statements.md.

Every command of https://www.postgresql.org/docs/current/sql-commands.html has one.
"""

from kysera_dbapi.dialect import Rule
from kysera_dialects.additions import ADDITIONS

__all__ = ["RULES", "SETTINGS"]

#: Settings that change how fast, how long or how loud, and how values are written: no
#: filter stands on them, and no text is read another way. Those of extensions
#: (``app.name``) are the program's own.
SETTINGS = frozenset(
    """
application_name backend_flush_after bytea_output check_function_bodies
client_connection_check_interval client_min_messages commit_delay commit_siblings
compute_query_id constraint_exclusion cpu_index_tuple_cost cpu_operator_cost
cpu_tuple_cost cursor_tuple_fraction datestyle deadlock_timeout debug_parallel_query
debug_pretty_print default_statistics_target default_table_access_method
default_tablespace default_text_search_config default_toast_compression
default_transaction_deferrable default_transaction_isolation
default_transaction_read_only effective_cache_size effective_io_concurrency
enable_async_append enable_bitmapscan enable_distinct_reordering enable_gathermerge
enable_group_by_reordering enable_hashagg enable_hashjoin enable_incremental_sort
enable_indexonlyscan enable_indexscan enable_material enable_memoize enable_mergejoin
enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning
enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate
enable_self_join_elimination enable_seqscan enable_sort enable_tidscan
extra_float_digits force_parallel_mode from_collapse_limit geqo geqo_effort
geqo_generations geqo_pool_size geqo_selection_bias geqo_threshold
gin_fuzzy_search_limit gin_pending_list_limit hash_mem_multiplier icu_validation_level
idle_in_transaction_session_timeout idle_session_timeout intervalstyle io_combine_limit
jit jit_above_cost jit_inline_above_cost jit_optimize_above_cost join_collapse_limit
lc_messages lc_monetary lc_numeric lc_time lock_timeout log_duration log_error_verbosity
log_lock_failures log_min_duration_sample log_min_duration_statement
log_min_error_statement log_min_messages log_parameter_max_length
log_parameter_max_length_on_error log_statement log_statement_sample_rate
log_transaction_sample_rate logical_decoding_work_mem maintenance_io_concurrency
maintenance_work_mem max_parallel_maintenance_workers max_parallel_workers
max_parallel_workers_per_gather max_stack_depth min_parallel_index_scan_size
min_parallel_table_scan_size parallel_leader_participation parallel_setup_cost
parallel_tuple_cost plan_cache_mode quote_all_identifiers random_page_cost
recursive_worktable_factor row_security seed seq_page_cost statement_timeout
stats_fetch_consistency synchronize_seqscans synchronous_commit tcp_keepalives_count
tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers
temp_file_limit temp_tablespaces timezone track_activities track_cost_delay_timing
track_counts track_functions track_io_timing track_wal_io_timing transaction_timeout
vacuum_buffer_usage_limit vacuum_cost_delay vacuum_cost_limit
vacuum_max_eager_freeze_failure_rate vacuum_truncate work_mem xmlbinary xmloption
""".split()
)
_FROZEN = "its text would be kept and run outside the shim"
_UNSEEN = "what it runs is not seen by the shim"

RULES = (
    Rule(
        "select",
        "`SELECT`, `VALUES`, `TABLE`, `WITH ... SELECT`",
        "planned",
        "every relation it reads is filtered",
        (
            "SELECT * FROM orders",
            "VALUES ((SELECT count(*) FROM orders))",
            "TABLE orders",
            "WITH c AS (SELECT * FROM orders) SELECT comment FROM c",
            "(SELECT id FROM orders) UNION (SELECT id FROM log)",
        ),
    ),
    Rule(
        "insert",
        "`INSERT`, `INSERT ... ON CONFLICT`",
        "planned",
        "its sources and sub-selects are filtered; see the plugins for its target",
        (
            "INSERT INTO log SELECT id + 10, comment FROM orders",
            "INSERT INTO log VALUES (1, 'x') ON CONFLICT (id) DO NOTHING",
        ),
    ),
    Rule(
        "update",
        "`UPDATE`, `UPDATE ... FROM`",
        "planned",
        "its target and every relation it reads are filtered",
        (
            "UPDATE orders SET total = 1",
            "UPDATE log SET text = orders.comment FROM orders WHERE orders.id = log.id",
        ),
    ),
    Rule(
        "delete",
        "`DELETE`, `DELETE ... USING`",
        "planned",
        "its target and every relation it reads are filtered; soft delete makes it "
        "an UPDATE",
        (
            "DELETE FROM orders WHERE total > 10",
            "DELETE FROM log WHERE id IN (SELECT id FROM orders)",
        ),
    ),
    Rule(
        "explain",
        "`EXPLAIN`, `EXPLAIN ANALYZE` of the above (of those below: as they are)",
        "planned",
        "shows how the edited statement would run; ANALYZE runs it, with what plugins "
        "do before and after",
        (
            "EXPLAIN SELECT * FROM orders",
            "EXPLAIN (FORMAT JSON, VERBOSE) DELETE FROM orders",
            "EXPLAIN ANALYZE SELECT * FROM orders",
            "EXPLAIN (ANALYZE, FORMAT JSON) UPDATE orders SET total = 1",
        ),
    ),
    Rule(
        "create table as",
        "`CREATE [TEMP] TABLE ... AS SELECT`, `SELECT INTO`",
        "planned",
        "the SELECT is filtered, so the copy holds what the caller may see",
        (
            "CREATE TABLE copy AS SELECT * FROM orders",
            "SELECT * INTO copy FROM orders",
        ),
        effect="catalogue",
    ),
    Rule(
        "merge",
        "`MERGE`",
        "planned",
        "its target and every relation it reads are filtered: a hidden row is not "
        "matched; each action is treated as the statement of its verb",
        (
            "MERGE INTO log USING orders ON orders.id = log.id "
            "WHEN MATCHED THEN DELETE",
            "MERGE INTO orders o USING log ON o.id = log.id WHEN MATCHED THEN DELETE "
            "WHEN NOT MATCHED THEN INSERT (id) VALUES (log.id)",
        ),
    ),
    Rule(
        "transaction",
        "`BEGIN`, `START TRANSACTION`, `COMMIT`, `END`, `ROLLBACK`, `ABORT`, "
        "`SAVEPOINT`, `RELEASE`, `ROLLBACK TO`",
        "passed",
        "touches no row by itself; the transaction stack follows it",
        ("BEGIN", "COMMIT AND CHAIN", "SAVEPOINT orders"),
        effect="transaction",
    ),
    Rule(
        "two-phase commit",
        "`PREPARE TRANSACTION`, `COMMIT PREPARED`, `ROLLBACK PREPARED`",
        "passed",
        "touches no row by itself; the transaction ends with `PREPARE`, and the schema "
        "may be another one after `COMMIT PREPARED`",
        ("PREPARE TRANSACTION 'orders'", "COMMIT PREPARED 'orders'"),
        effect="transaction",
    ),
    Rule(
        "set transaction",
        "`SET TRANSACTION`, `SET SESSION CHARACTERISTICS`, `SET CONSTRAINTS`",
        "passed",
        "shows no row and changes nothing that a filter stands on",
        (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET CONSTRAINTS ALL DEFERRED",
        ),
    ),
    Rule(
        "show",
        "`SHOW`",
        "passed",
        "shows settings, no row",
        ("SHOW search_path",),
    ),
    Rule(
        "notify",
        "`LISTEN`, `NOTIFY`, `UNLISTEN`",
        "passed",
        "shows no row and changes none",
        ("LISTEN orders", "NOTIFY orders, 'x'", "UNLISTEN *"),
    ),
    Rule(
        "set",
        "`SET`, `RESET` of the list below, of settings with a dot in their names, and "
        "of `client_encoding` to UTF8",
        "passed",
        "shows no row and changes nothing that a filter stands on; row_security, too: "
        "off, it makes native policies raise, not go away",
        (
            "SET statement_timeout = 1000",
            "SET LOCAL TIME ZONE 'UTC'",
            "SET app.tenant = 'x'",
            "RESET work_mem",
        ),
    ),
    Rule(
        "set name space",
        "`SET search_path`, `SET SCHEMA`, `SET ROLE`, `SET SESSION AUTHORIZATION`, "
        "`RESET` of them and of `ALL`, `DISCARD ALL`, `DISCARD TEMP`",
        "passed",
        "the catalogue is read again: names may mean other tables",
        ("SET search_path = public", "SET ROLE NONE", "RESET ALL", "DISCARD ALL"),
        effect="catalogue",
    ),
    Rule(
        "set local name space",
        "`SET LOCAL search_path`, `SET LOCAL SCHEMA`, `SET LOCAL ROLE`, "
        "`SET LOCAL SESSION AUTHORIZATION`",
        "refused",
        "names would mean other tables until a moment that the shim does not see; "
        "write the schema before each name, or SET it without LOCAL",
        ("SET LOCAL search_path = other", "SET LOCAL ROLE someone"),
    ),
    Rule(
        "other setting",
        "`SET`, `RESET` of any other setting",
        "refused",
        "it may change how a text is read (standard_conforming_strings), what a value "
        "means (array_nulls, transform_null_equals) or what a write sets off "
        "(session_replication_role)",
        (
            "SET standard_conforming_strings = off",
            "SET session_replication_role = replica",
            "SET NAMES 'SJIS'",
            "SET array_nulls = off",
        ),
    ),
    Rule(
        "discard",
        "`DISCARD PLANS`, `DISCARD SEQUENCES`, `DEALLOCATE`",
        "passed",
        "shows no row and changes none",
        ("DISCARD PLANS", "DEALLOCATE ALL"),
    ),
    Rule(
        "prepare",
        "`PREPARE`, `EXECUTE`",
        "refused",
        "the values of a filter would be the caller's own to give, those of the "
        "driver's prepared statements too; bind parameters instead",
        ("PREPARE p AS SELECT * FROM log", "EXECUTE p"),
    ),
    Rule(
        "declare",
        "`DECLARE ... CURSOR FOR`",
        "planned",
        "its query is filtered, by the context of the declaration",
        ("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders",),
    ),
    Rule(
        "fetch",
        "`FETCH`, `MOVE`, `CLOSE`",
        "passed",
        "shows the rows of a cursor, filtered when it was declared",
        ("FETCH 2 FROM c", "MOVE 1 FROM c", "CLOSE ALL"),
    ),
    Rule(
        "copy",
        "`COPY ... TO STDOUT`",
        "passed",
        "by the driver's `copy()`; of a protected table, or of a query of it, the "
        "filtered rows are copied",
        ("COPY log TO STDOUT", "COPY (SELECT * FROM log) TO STDOUT"),
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "copy from",
        "`COPY ... FROM STDIN`",
        "passed",
        "refused into a protected table, as PostgreSQL does with its own row security: "
        "copy into a temporary table and INSERT from it, or use executemany()",
        ("COPY log FROM STDIN",),
        event="INSERT",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "other copy",
        "`COPY` of files and programs, `COPY (INSERT ...)` and the like",
        "refused",
        "what it writes and sets off is not seen by the shim; use INSERT and "
        "executemany()",
        ("COPY log TO '/tmp/x'", "COPY log TO PROGRAM 'cat'"),
    ),
    Rule(
        "run",
        "`DO`, `CALL`, `LOAD`",
        "refused",
        _UNSEEN,
        ("DO 'BEGIN END'", "CALL x()", "LOAD 'x'"),
    ),
    Rule(
        "create table",
        "`CREATE [TEMP] TABLE`",
        "passed",
        "defines a table; catalogue and plans are dropped",
        (
            "CREATE TABLE lists (id integer)",
            "CREATE TEMP TABLE copies (id integer, CHECK (id > 0))",
        ),
        effect="catalogue",
        refers=True,
    ),
    Rule(
        "create child table",
        "`CREATE TABLE ... INHERITS`, `CREATE TABLE ... PARTITION OF`",
        "passed",
        "refused if it names a protected table: it would give rows of it a second name",
        ("CREATE TABLE longer () INHERITS (log)",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "create index",
        "`CREATE INDEX`",
        "passed",
        "changes no row; catalogue and plans are dropped",
        ("CREATE INDEX i ON orders (total)",),
        effect="catalogue",
    ),
    Rule(
        "create unique index",
        "`CREATE UNIQUE INDEX`",
        "passed",
        "refused if it names a protected table: its error would show a hidden value",
        ("CREATE UNIQUE INDEX u ON log (id)",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "create view",
        "`CREATE VIEW`, `CREATE MATERIALIZED VIEW`, `REFRESH MATERIALIZED VIEW`",
        "passed",
        "refused if it names a protected table, or what reads one: " + _FROZEN,
        ("CREATE VIEW v AS SELECT * FROM log",),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "create trigger",
        "`CREATE TRIGGER`, `CREATE RULE`, `CREATE POLICY`, `CREATE SCHEMA` (which may "
        "hold other definitions)",
        "passed",
        "refused if it names a protected table, or what reads one: " + _FROZEN,
        ("CREATE POLICY p ON log USING (id > 1)", "CREATE SCHEMA other"),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "define",
        "`CREATE` of a `COLLATION`, `DOMAIN`, `EXTENSION`, `SEQUENCE`, `STATISTICS`, "
        "`TEXT SEARCH ...` or `TYPE`",
        "passed",
        "shows no row and changes none; refused if it names a protected table",
        ("CREATE SEQUENCE s", "CREATE TYPE mood AS ENUM ('good')"),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "code",
        "`CREATE`, `ALTER` of an `ACCESS METHOD`, `AGGREGATE`, `CAST`, `CONVERSION`, "
        "`EVENT TRIGGER`, `FUNCTION`, `LANGUAGE`, `OPERATOR ...`, `PROCEDURE`, "
        "`ROUTINE` or `TRANSFORM`",
        "refused",
        _UNSEEN,
        (
            "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "ALTER FUNCTION f() RENAME TO lower",
        ),
    ),
    Rule(
        "second name",
        "`CREATE`, `ALTER` of a `DATABASE`, `FOREIGN DATA WRAPPER`, `FOREIGN TABLE`, "
        "`PUBLICATION`, `SERVER`, `SUBSCRIPTION` or `USER MAPPING`; "
        "`IMPORT FOREIGN SCHEMA`",
        "refused",
        "gives rows a second name, or copies hidden ones to another place",
        (
            "CREATE DATABASE other TEMPLATE shop",
            "CREATE PUBLICATION p FOR ALL TABLES",
            "IMPORT FOREIGN SCHEMA s FROM SERVER f INTO public",
        ),
    ),
    *ADDITIONS,
    Rule(
        "alter",
        "`ALTER` of a `TABLE` otherwise, and of a `COLLATION`, `INDEX`, "
        "`MATERIALIZED VIEW`, `POLICY`, `RULE`, `SEQUENCE`, `STATISTICS`, "
        "`TEXT SEARCH ...`, `TRIGGER`, `TYPE` or `VIEW`",
        "passed",
        "refused if it names a protected table: it would take the protection away",
        ("ALTER TABLE log RENAME COLUMN id TO number",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "alter unnamed",
        "`ALTER` of a `DOMAIN`, `EXTENSION`, `LARGE OBJECT`, `SCHEMA` or `SYSTEM`",
        "refused",
        "reaches tables that it does not name",
        ("ALTER SCHEMA public RENAME TO private", "ALTER SYSTEM RESET ALL"),
    ),
    Rule(
        "drop",
        "`DROP` without `CASCADE`",
        "passed",
        "refused if it names a protected table: it would remove hidden rows",
        ("DROP TABLE log", "DROP VIEW IF EXISTS v", "DROP INDEX i"),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "truncate",
        "`TRUNCATE` without `CASCADE`",
        "passed",
        "refused if it names a protected table: it would remove hidden rows",
        ("TRUNCATE log",),
        names_protected=False,
        event="TRUNCATE",
    ),
    Rule(
        "cascade",
        "`DROP ... CASCADE`, `TRUNCATE ... CASCADE`, `DROP OWNED`",
        "refused",
        "removes what it does not name",
        ("DROP TABLE log CASCADE", "TRUNCATE log CASCADE", "DROP OWNED BY someone"),
    ),
    Rule(
        "privileges",
        "`GRANT`, `REVOKE`, `ALTER DEFAULT PRIVILEGES`, `REASSIGN OWNED`, `COMMENT`, "
        "`SECURITY LABEL`; `CREATE`, `ALTER` of a `GROUP`, `ROLE`, `TABLESPACE` or "
        "`USER`",
        "passed",
        "shows no row, and no filter stands on who may do what",
        ("GRANT SELECT ON orders TO PUBLIC", "COMMENT ON TABLE orders IS 'x'"),
    ),
    Rule(
        "lock",
        "`LOCK`",
        "passed",
        "locks whole tables, shows no row and changes none",
        ("LOCK TABLE orders IN SHARE MODE",),
    ),
    Rule(
        "maintenance",
        "`ANALYZE`, `CHECKPOINT`, `CLUSTER`, `REINDEX`, `VACUUM`",
        "passed",
        "shows no row and changes none",
        ("ANALYZE", "REINDEX TABLE orders", "VACUUM orders"),
    ),
    Rule(
        "verbose maintenance",
        "`ANALYZE VERBOSE` and the like",
        "refused",
        "tells of rows that a filter hides; leave out VERBOSE",
        ("ANALYZE VERBOSE", "VACUUM (FULL, VERBOSE) orders"),
    ),
)

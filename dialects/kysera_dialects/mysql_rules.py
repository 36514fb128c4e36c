"""The rules for the statements of MySQL and MariaDB: the table of docs/statements.md.

https://dev.mysql.com/doc/refman/8.4/en/sql-statements.html
https://mariadb.com/docs/server/reference/sql-statements
"""

from kysera_dbapi.dialect import Rule
from kysera_dialects.additions import ADDITIONS

__all__ = ["CHARSETS", "RULES", "SETTINGS"]

#: Variables of a session that change how fast, how long or how loud, and how values are
#: written: no filter stands on them, and no text is read another way.
SETTINGS = frozenset(
    """
alter_algorithm analyze_sample_percentage auto_increment_increment
auto_increment_offset check_constraint_checks cte_max_recursion_depth
default_week_format div_precision_increment end_markers_in_json
eq_range_index_dive_limit explain_format explain_json_format_version
explicit_defaults_for_timestamp expensive_subquery_limit group_concat_max_len
histogram_generation_max_mem_size histogram_size histogram_type
idle_readonly_transaction_timeout idle_transaction_timeout
idle_write_transaction_timeout in_predicate_conversion_threshold
information_schema_stats_expiry innodb_ft_enable_stopword innodb_lock_wait_timeout
innodb_strict_mode innodb_table_locks interactive_timeout join_buffer_size
join_buffer_space_limit join_cache_level lc_messages lc_time_names lock_wait_timeout
log_slow_filter log_slow_query log_slow_query_time log_slow_rate_limit
log_slow_verbosity long_query_time low_priority_updates max_error_count
max_execution_time max_heap_table_size max_join_size max_length_for_sort_data
max_points_in_geometry max_recursive_iterations max_rowid_filter_size
max_seeks_for_key max_statement_time min_examined_row_limit mrr_buffer_size
net_buffer_length net_read_timeout net_retry_count net_write_timeout
optimizer_max_sel_arg_weight optimizer_prune_level optimizer_search_depth
optimizer_selectivity_sampling_limit optimizer_switch optimizer_trace
optimizer_trace_features optimizer_trace_limit optimizer_trace_max_mem_size
optimizer_trace_offset optimizer_use_condition_selectivity parser_max_mem_size
preload_buffer_size profiling profiling_history_size progress_report_time
query_alloc_block_size query_cache_type query_prealloc_size rand_seed1 rand_seed2
range_alloc_block_size range_optimizer_max_mem_size read_buffer_size
read_rnd_buffer_size rowid_merge_buff_size select_into_buffer_size
session_track_gtids session_track_schema session_track_state_change
session_track_system_variables session_track_transaction_info
show_create_table_verbosity slow_query_log sort_buffer_size sql_big_selects
sql_notes sql_quote_show_create sql_safe_updates sql_warnings time_zone
tmp_disk_table_size tmp_memory_table_size tmp_table_size transaction_alloc_block_size
transaction_isolation transaction_prealloc_size transaction_read_only tx_isolation
tx_read_only unique_checks updatable_views_with_limit use_secondary_engine
use_stat_tables wait_timeout windowing_use_high_precision
""".split()
)

#: What a client may send its texts in: those of Python's ``str`` and these alone lex
#: alike, byte by byte and letter by letter.
CHARSETS = frozenset(("utf8", "utf8mb3", "utf8mb4", "default"))

_FROZEN = "its text would be kept and run outside the shim"
_UNSEEN = "what it runs is not seen by the shim"

RULES = (
    Rule(
        "select",
        "`SELECT`, `WITH ... SELECT`, `VALUES`, `TABLE`, `SELECT ... INTO @variable`",
        "planned",
        "every relation it reads is filtered",
        (
            "SELECT * FROM orders",
            "TABLE orders",
            "SELECT id INTO @a FROM orders LIMIT 1",
            "WITH c AS (SELECT * FROM orders) SELECT comment FROM c",
            "(SELECT id FROM orders) UNION (SELECT id FROM log)",
        ),
    ),
    Rule(
        "insert",
        "`INSERT`, `REPLACE`, `INSERT ... SET`, `ON DUPLICATE KEY UPDATE`",
        "planned",
        "its sources and sub-selects are filtered; see the plugins for its target",
        (
            "INSERT INTO log SELECT id + 100, comment FROM orders",
            "INSERT INTO log (id) VALUES (200) ON DUPLICATE KEY UPDATE id = id",
            "REPLACE INTO log VALUES (300, 'x')",
        ),
    ),
    Rule(
        "update",
        "`UPDATE`, `UPDATE` of several tables",
        "planned",
        "its targets and every relation it reads are filtered",
        (
            "UPDATE orders SET total = 1 WHERE id < 0",
            "UPDATE orders o JOIN log l ON l.id = o.id SET o.total = 1, l.comment = ''",
        ),
    ),
    Rule(
        "delete",
        "`DELETE`, `DELETE` of several tables",
        "planned",
        "its targets and every relation it reads are filtered; soft delete makes it "
        "an UPDATE",
        (
            "DELETE FROM orders WHERE total > 1000",
            "DELETE orders FROM orders WHERE id < 0",
            "DELETE FROM o USING orders o JOIN log l ON l.id = o.id",
        ),
    ),
    Rule(
        "delete history",
        "`DELETE HISTORY` of MariaDB",
        "refused",
        "it removes the history of hidden rows; do it within bypass(), or write "
        "`history` in backticks if that is a table",
        ("DELETE HISTORY FROM orders",),
    ),
    Rule(
        "explain",
        "`EXPLAIN`, `DESCRIBE`, `DESC`, `EXPLAIN ANALYZE`, `ANALYZE` of the above",
        "planned",
        "shows how the edited statement would run; ANALYZE runs it, with what plugins "
        "do before and after; of a protected table it is refused on MySQL, and with "
        "FORMAT or EXTENDED on MariaDB: it shows values of rows that are read by a key "
        "before they are filtered",
        (
            "EXPLAIN SELECT * FROM orders",
            "EXPLAIN FORMAT=JSON DELETE FROM orders",
            "ANALYZE DELETE FROM orders WHERE id < 0",
        ),
    ),
    Rule(
        "explain another",
        "`EXPLAIN FOR CONNECTION`, `SHOW EXPLAIN`, `SHOW ANALYZE`",
        "refused",
        "shows a statement of another session",
        ("EXPLAIN FOR CONNECTION 1", "SHOW EXPLAIN FOR 1"),
    ),
    Rule(
        "create table as",
        "`CREATE [TEMPORARY] TABLE ... [AS] SELECT`",
        "planned",
        "the SELECT is filtered, so the copy holds what the caller may see",
        ("CREATE TABLE copy AS SELECT * FROM orders",),
        effect="catalogue",
    ),
    Rule(
        "select into",
        "`SELECT ... INTO OUTFILE`, `INTO DUMPFILE`",
        "refused",
        "it writes rows to a file of the server, where no filter holds; fetch the rows",
        ("SELECT id FROM orders INTO OUTFILE 'x'",),
    ),
    Rule(
        "procedure",
        "`SELECT ... PROCEDURE ANALYSE()`",
        "refused",
        _UNSEEN,
        ("SELECT * FROM orders PROCEDURE ANALYSE()",),
    ),
    Rule(
        "handler",
        "`HANDLER`",
        "refused",
        "it reads a table without a WHERE that a filter could be put into; use SELECT",
        ("HANDLER orders OPEN",),
    ),
    Rule(
        "load",
        "`LOAD DATA LOCAL`, `LOAD XML LOCAL`",
        "passed",
        "refused into a protected table: use executemany()",
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE log",),
        event="INSERT",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "load of the server",
        "`LOAD DATA`, `LOAD XML` without `LOCAL`",
        "refused",
        "it reads files of the server, those of its tables and logs among them; use "
        "LOCAL",
        ("LOAD DATA INFILE 'x' INTO TABLE log",),
    ),
    Rule(
        "load replacing",
        "`LOAD DATA LOCAL ... REPLACE`, `LOAD XML LOCAL ... REPLACE`",
        "refused",
        "what it replaces is not seen by the shim; use REPLACE and executemany()",
        ("LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE log",),
    ),
    Rule(
        "do",
        "`DO`",
        "passed",
        "refused if it names a protected table, or what reads one",
        ("DO 1",),
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "run",
        "`CALL`, `BEGIN NOT ATOMIC` and other compound statements, `BINLOG`",
        "refused",
        _UNSEEN,
        ("CALL x()", "BEGIN NOT ATOMIC SELECT 1; END", "BINLOG 'x'"),
    ),
    Rule(
        "signal",
        "`SIGNAL`, `RESIGNAL`, `GET DIAGNOSTICS`",
        "passed",
        "shows no row and changes none",
        ("SIGNAL SQLSTATE '45000'", "GET DIAGNOSTICS @n = ROW_COUNT"),
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "prepare",
        "`PREPARE`, `EXECUTE`, `EXECUTE IMMEDIATE`",
        "refused",
        "the values of a filter would be the caller's own to give; bind parameters "
        "instead",
        ("PREPARE p FROM 'SELECT * FROM log'", "EXECUTE p"),
    ),
    Rule(
        "deallocate",
        "`DEALLOCATE PREPARE`, `DROP PREPARE`",
        "passed",
        "shows no row and changes none",
        ("DEALLOCATE PREPARE p",),
    ),
    Rule(
        "transaction",
        "`BEGIN`, `START TRANSACTION`, `COMMIT`, `ROLLBACK`, `SAVEPOINT`, `RELEASE "
        "SAVEPOINT`, `ROLLBACK TO`, `SET autocommit`",
        "passed",
        "touches no row by itself; the transaction stack follows it",
        ("BEGIN", "COMMIT AND CHAIN", "SAVEPOINT orders", "SET autocommit = 0"),
        effect="transaction",
    ),
    Rule(
        "two-phase commit",
        "`XA`",
        "passed",
        "touches no row by itself; the transaction stack follows it",
        ("XA START 'x'", "XA RECOVER"),
        effect="transaction",
    ),
    Rule(
        "set transaction",
        "`SET [SESSION] TRANSACTION`",
        "passed",
        "shows no row and changes nothing that a filter stands on",
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",),
        effect="transaction",
    ),
    Rule(
        "lock",
        "`LOCK TABLES`, `UNLOCK TABLES`, `LOCK INSTANCE`, `BACKUP`",
        "passed",
        "locks whole tables, shows no row and changes none",
        ("LOCK TABLES log READ", "UNLOCK TABLES"),
        effect="transaction",
    ),
    Rule(
        "set",
        "`SET` of user variables, of the session's variables of the list below, of "
        "`foreign_key_checks`, of `sql_auto_is_null` to 0, of the default engines to "
        "those whose tables have rows of their own; `SET NAMES` and "
        "`SET collation_connection` of `utf8mb4`",
        "passed",
        "refused if it names a protected table, or what reads one: use SELECT ... INTO "
        "@a",
        (
            "SET @a = 1, SESSION wait_timeout = 1000",
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
            "SET @@session.time_zone = '+00:00'",
        ),
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "set mode",
        "`SET [SESSION] sql_mode`, `SET foreign_key_checks`, `SET CHARACTER SET`, "
        "`SET NAMES` and `SET collation_connection` of other UTF-8, alone or, without "
        "calls, with variables of the above",
        "passed",
        "modes and character sets are read again: texts may mean something else; "
        "refused if it names a protected table, or what reads one",
        (
            "SET sql_mode = 'ANSI_QUOTES'",
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
            "SET @old = @@sql_mode, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
            "SET SESSION foreign_key_checks = 0",
        ),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "set name space",
        "`SET ROLE`, `USE`",
        "passed",
        "the catalogue is read again: names may mean other tables",
        ("USE mysql",),
        effect="catalogue",
    ),
    Rule(
        "other setting",
        "`SET` of any other variable, of `GLOBAL` and `PERSIST` ones, `SET STATEMENT`, "
        "and of several if one of them is `autocommit`",
        "refused",
        "it may change how a text is read, what a value means, which rows are shown or "
        "what a write sets off, unseen or for other sessions; set one at a time, or "
        "in the server's configuration",
        (
            "SET NAMES gbk",
            "SET GLOBAL max_connections = 100",
            "SET sql_mode = 'ORACLE'",
            "SET sql_select_limit = 1",
        ),
    ),
    Rule(
        "show",
        "`SHOW`, `DESCRIBE`, `DESC`, `EXPLAIN` of a table, `HELP`",
        "passed",
        "shows settings and definitions, no row",
        ("SHOW TABLES", "SHOW CREATE TABLE orders", "DESCRIBE orders", "HELP 'x'"),
    ),
    Rule(
        "show where",
        "`SHOW ... WHERE`",
        "passed",
        "refused if it names a protected table, or what reads one: it may hold "
        "sub-selects",
        ("SHOW TABLES WHERE 1 = 1",),
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "show rows",
        "`SHOW PROCESSLIST`, `SHOW BINLOG EVENTS`, `SHOW RELAYLOG EVENTS`, "
        "`SHOW ENGINE`, `SHOW PARSE_TREE`",
        "refused",
        "shows statements, or rows, of other sessions",
        ("SHOW FULL PROCESSLIST", "SHOW ENGINE INNODB STATUS"),
    ),
    Rule(
        "kill",
        "`KILL`",
        "passed",
        "shows no row and changes none",
        ("KILL QUERY 0",),
    ),
    Rule(
        "administration",
        "`CHANGE`, `CLONE`, `IMPORT TABLE`, `INSTALL`, `PURGE`, `RESET`, `RESTART`, "
        "`SHUTDOWN`, `START`, `STOP` of replication, `UNINSTALL`, `ALTER INSTANCE`",
        "refused",
        "changes the server for all; run it outside the shim, or under bypass()",
        ("INSTALL PLUGIN x SONAME 'y'", "RESET REPLICA", "SHUTDOWN"),
    ),
    Rule(
        "create table",
        "`CREATE TABLE`",
        "passed",
        "defines a table; catalogue and plans are dropped",
        ("CREATE TABLE lists (id integer)",),
        effect="catalogue",
        refers=True,
    ),
    Rule(
        "create temporary table",
        "`CREATE TEMPORARY TABLE`",
        "passed",
        "refused if it names a protected table, whose name would mean another; "
        "catalogue and plans are dropped",
        ("CREATE TEMPORARY TABLE copies (id integer)",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "create table of others",
        "`CREATE TABLE`, `ALTER TABLE` with `ENGINE` `CONNECT`, `FEDERATED`, "
        "`FEDERATEDX`, `MERGE`, `MRG_MYISAM`, `SPIDER`; `CREATE OR REPLACE TABLE`; "
        "`CREATE TABLE ... LIKE`",
        "passed",
        "refused if it names a protected table: it would give rows of it a second "
        "name, or remove them",
        (
            "CREATE TABLE both_ (id integer) ENGINE = MERGE UNION = (log)",
            "CREATE TABLE like_ LIKE log",
        ),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "create index",
        "`CREATE INDEX`, `CREATE FULLTEXT INDEX`, `CREATE SPATIAL INDEX`",
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
        "`CREATE VIEW`, `ALTER VIEW`",
        "passed",
        "refused if it names a protected table, or what reads one: " + _FROZEN,
        ("CREATE VIEW v AS SELECT * FROM log",),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "create trigger",
        "`CREATE TRIGGER`",
        "passed",
        "refused if it names a protected table, or what reads one: " + _FROZEN,
        ("CREATE TRIGGER r BEFORE INSERT ON log FOR EACH ROW SET NEW.id = 1",),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "define",
        "`CREATE`, `ALTER` of a `DATABASE`, `SCHEMA` or `SEQUENCE`",
        "passed",
        "shows no row and changes none; refused if it names a protected table",
        ("CREATE DATABASE IF NOT EXISTS kysera_example",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "code",
        "`CREATE`, `ALTER` of an `EVENT`, `FUNCTION`, `LIBRARY`, `PACKAGE` or "
        "`PROCEDURE`",
        "refused",
        _UNSEEN,
        (
            "CREATE FUNCTION f() RETURNS integer RETURN 1",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        ),
    ),
    Rule(
        "second name",
        "`CREATE`, `ALTER` of a `SERVER`",
        "refused",
        "gives rows a second name, or copies hidden ones to another place",
        ("CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')",),
    ),
    *ADDITIONS,
    Rule(
        "alter",
        "`ALTER TABLE` otherwise, `RENAME TABLE`",
        "passed",
        "refused if it names a protected table: it would take the protection away",
        ("ALTER TABLE log RENAME COLUMN id TO number", "RENAME TABLE log TO logs"),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "drop",
        "`DROP` of what is named",
        "passed",
        "refused if it names a protected table: it would remove hidden rows",
        ("DROP TABLE log", "DROP VIEW IF EXISTS v", "DROP INDEX i ON log"),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "drop temporary table",
        "`DROP TEMPORARY TABLE`",
        "passed",
        "removes no row of a protected table",
        ("DROP TEMPORARY TABLE IF EXISTS copies",),
        effect="catalogue",
    ),
    Rule(
        "cascade",
        "`DROP DATABASE`, `DROP SCHEMA`",
        "refused",
        "removes what it does not name",
        ("DROP DATABASE kysera_example",),
    ),
    Rule(
        "truncate",
        "`TRUNCATE`",
        "passed",
        "refused if it names a protected table: it would remove hidden rows",
        ("TRUNCATE TABLE log",),
        names_protected=False,
        event="TRUNCATE",
    ),
    Rule(
        "privileges",
        "`GRANT`, `REVOKE`, `SET PASSWORD`, `SET DEFAULT ROLE`, `SET RESOURCE GROUP`; "
        "`CREATE`, `ALTER`, `DROP`, `RENAME` of a `USER`, `ROLE`, `RESOURCE GROUP`, "
        "`TABLESPACE`, `UNDO TABLESPACE`, `LOGFILE GROUP`, `SPATIAL REFERENCE SYSTEM`",
        "passed",
        "shows no row, and no filter stands on who may do what",
        ("CREATE USER IF NOT EXISTS kysera_nobody", "REVOKE SELECT ON *.* FROM x"),
    ),
    Rule(
        "maintenance",
        "`ANALYZE TABLE`, `CACHE INDEX`, `CHECK TABLE`, `FLUSH`, `LOAD INDEX`, "
        "`OPTIMIZE TABLE`, `REPAIR TABLE`",
        "passed",
        "shows no row and changes none",
        ("ANALYZE TABLE orders", "FLUSH TABLES", "OPTIMIZE TABLE orders"),
    ),
    Rule(
        "checksum",
        "`CHECKSUM TABLE`",
        "passed",
        "refused if it names a protected table: it tells of hidden rows",
        ("CHECKSUM TABLE log",),
        names_protected=False,
        keeps_text=True,
    ),
)

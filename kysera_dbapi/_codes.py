"""The table of error codes: what happened, and what to do about it.

By class, as ``code: (meaning, cure)``, a sentence each. ``kysera_dbapi.errors.CODES``
is the public form; docs/errors.md is made from it.
"""

__all__ = ["TEXTS"]

TEXTS: dict[str, dict[str, tuple[str, str]]] = {
    "Warning": {
        "warning": (
            "The driver gave a warning of its own.",
            "Read the driver's message; the original is the error's `__cause__`.",
        ),
    },
    "Error": {
        "error": (
            "The driver failed, and did not say in which way.",
            "Read the driver's message; the original is the error's `__cause__`.",
        ),
    },
    "InterfaceError": {
        "interface-error": (
            "The driver was used in a way that it does not take.",
            "Read the driver's message; the original is the error's `__cause__`.",
        ),
    },
    "DatabaseError": {
        "database-error": (
            "The database failed, and the driver did not say in which way.",
            "Read the driver's message; the original is the error's `__cause__`.",
        ),
    },
    "DataError": {
        "data-error": (
            "The database could not process a value.",
            "Look for a number out of range, a bad date or a text that is too long.",
        ),
        "not-deleted": (
            "The row to be restored is not deleted.",
            "Check the key, and restore only rows that were deleted.",
        ),
        "unreadable-time": (
            "A deleted row's time of deletion cannot be read, so its age is unknown.",
            "Correct the value, or remove the row with `hard_delete()`.",
        ),
        "unsupported-key": (
            "A value cannot be bound in a list: one of `IN :name`, or a row's key.",
            "Bind such a value by itself; delete rows with such keys one by one.",
        ),
        "row-not-found": (
            "No row of the table has the key that was given.",
            "Check the key; a row that was purged cannot be brought back.",
        ),
    },
    "OperationalError": {
        "operational-error": (
            "The database could not do its work; the program need not be at fault.",
            "Check the connection, locks, disk space and the names in the statement.",
        ),
        "shared-connection": (
            "Another thread is amid a transaction of the same connection.",
            "Give each thread a connection of its own.",
        ),
    },
    "IntegrityError": {
        "integrity-error": (
            "The statement would break a constraint of the database.",
            "Look at the constraint that the driver's message names.",
        ),
        "deleted-parent": (
            "A row to be restored refers to a deleted row.",
            "Restore that row first, or both with `restore(..., cascade=True)`.",
        ),
        "tombstone-restrict": (
            "A live row refers to the row to be deleted, and its foreign key is "
            "declared `restrict`.",
            "Delete the child rows first, or declare the foreign key `cascade`.",
        ),
    },
    "InternalError": {
        "internal-error": (
            "The database met an error within itself.",
            "Read the driver's message; the original is the error's `__cause__`.",
        ),
    },
    "ProgrammingError": {
        "programming-error": (
            "The database could not make sense of the statement or its parameters.",
            "Check the statement's syntax, its names and its parameters.",
        ),
        "placeholder-count": (
            "The number of parameters is not the number of placeholders.",
            "Give one value for each placeholder of the statement.",
        ),
        "placeholder-style": (
            "The placeholders do not fit the parameters, or styles are mixed.",
            "Use one style: a sequence for `?` and `%s`, a mapping for named ones.",
        ),
        "multiple-statements": (
            "The text holds several statements.",
            "Send them one by one, or by `executescript()` where the driver has it; "
            "psycopg's `execute()` takes several that come without values.",
        ),
        "connection-closed": (
            "The connection or the cursor was used after it had been closed.",
            "Open a new one, and keep the work within its `with` block.",
        ),
    },
    "NotSupportedError": {
        "not-supported-error": (
            "The database or the driver does not have this feature.",
            "Do without it, or use a version of the database that has it.",
        ),
        "unsupported-member": (
            "This method or attribute of the driver would go round the plugins.",
            "Use another method, or call it on the connection's `unwrap()`.",
        ),
        "shared-session": (
            "The setting would hold for other clients of a pooler like PgBouncer.",
            "Give the setting to the role or the database, or use `bypass()`.",
        ),
    },
    "ConfigurationError": {
        "configuration": (
            "An option has a value that cannot work.",
            "Correct the option that the message names.",
        ),
        "context-value": (
            "A value of the context is of a kind that policies cannot bind.",
            "Give a text, a number, bytes, a date, a time or a UUID, or a list of "
            "them.",
        ),
        "policy": (
            "A policy names what does not exist, or is no condition.",
            "Correct what the message names.",
        ),
        "declared-view": (
            "A plugin is configured for a view whose columns do not tell whose its "
            "rows are.",
            "Let the view show the columns of the one protected table that it reads, "
            "or take it out of the configuration.",
        ),
        "policy-function": (
            "The function of a policy raised an error, or returned no map of columns.",
            "Mend the function; the reason is in the message and in `__cause__`.",
        ),
        "unknown-scheme": (
            "The scheme of the URL is not that of a known database.",
            "Use one of the schemes that the message lists, such as `sqlite`.",
        ),
        "bad-url": (
            "The database URL cannot be read.",
            "Write it as `sqlite:///relative.db`, `sqlite:////absolute.db` or "
            "`scheme://user:password@host:port/database`.",
        ),
        "missing-driver": (
            "The driver that the URL asks for is not installed.",
            "Install the extra that the message names.",
        ),
        "unknown-mode": (
            "The mode is not one of those that exist.",
            'Use `"normal"`, `"strict"` or `"report"`.',
        ),
        "unknown-dialect": (
            "No dialect has this name, or what has it is not a dialect.",
            "Use a name that the message lists, or install the package that adds it.",
        ),
        "unsupported-server": (
            "The server is older than the oldest that is supported.",
            "Use MySQL 8.0.11 or MariaDB 10.6, or a later one.",
        ),
        "unsupported-mode": (
            "The session is in a mode in which statements are of another language.",
            "Take the mode that the message names out of the sql_mode.",
        ),
        "driver-mismatch": (
            "The connection or module does not belong to the driver that was named.",
            "Pass an object of that driver, or name the right one.",
        ),
        "ambiguous-table": (
            "A name in the configuration of a plugin means two tables.",
            "Rename one of them; a table made later may not take another one's place.",
        ),
        "already-wrapped": (
            "The connection already is a connection of the shim.",
            "Wrap the raw connection once, with all plugins in one list.",
        ),
        "unwrapped-class": (
            "With `install()`, a connection was made by a class that is not wrapped.",
            "Use the class that the message names, or wrap the connection by hand.",
        ),
        "already-installed": (
            "The driver already has plugins installed.",
            "Call `uninstall()` first, or install all plugins in one call.",
        ),
        "not-installed": (
            "The driver has no plugins installed.",
            "Call `install()` first, and `uninstall()` once for it.",
        ),
        "missing-table": (
            "The configuration names a table that the database does not have.",
            "Correct the name, create the table or leave it out.",
        ),
        "missing-column": (
            "The configuration needs a column that the table does not have.",
            "Add the column, name another one or leave the table out.",
        ),
        "undeclared-foreign-key": (
            "A foreign key refers to a protected table, and the configuration does "
            "not say what a deletion does to the rows that refer to it.",
            "Declare the foreign key `cascade`, `restrict` or `ignore`.",
        ),
        "system-table": (
            "A plugin is configured for a table that another plugin keeps for itself.",
            "Take the table out of the configuration of the first one.",
        ),
        "insert-trigger": (
            "With `revive=True` a protected table has an INSERT trigger, which would "
            "not fire for a row that is revived.",
            "Let a trigger on UPDATE do its work, too, and accept it in the "
            "configuration.",
        ),
        "delete-trigger": (
            "A protected table has a DELETE trigger, which would never fire.",
            "Make it a trigger on UPDATE, or accept it in the configuration.",
        ),
    },
    "PluginError": {
        "plugin-error": (
            "A plugin cannot work.",
            "Read the message; the reason is the error's `__cause__`.",
        ),
        "plugin-type": (
            "What was given as a plugin is not one.",
            "Pass instances of `Plugin` that have a name, in a list.",
        ),
        "plugin-duplicate": (
            "Two plugins have the same name.",
            "Pass one of them, configured for all its tables.",
        ),
        "plugin-missing": (
            "A plugin depends on another one that was not given.",
            "Add the plugin that the message names.",
        ),
        "plugin-conflict": (
            "Two plugins cannot be used together.",
            "Leave one of them out.",
        ),
        "plugin-cycle": (
            "Plugins depend on each other in a circle.",
            "Take one dependency out of the circle that the message shows.",
        ),
        "plugin-init": (
            "A plugin failed when it was started; those before it were stopped again.",
            "Mend the reason, which is the error's `__cause__`.",
        ),
        "plugin-destroy": (
            "Plugins failed when they were stopped; the others were stopped.",
            "Mend the reasons, which are in the group that is the error's `__cause__`.",
        ),
        "plugin-hook": (
            "A plugin's hook cannot be called as the shim calls it.",
            "Make it a plain method that takes the arguments of `Plugin`'s.",
        ),
    },
    "PolicyViolation": {
        "policy-violation": (
            "A row that is written, or written over, is not one that a policy allows; "
            "nothing was changed.",
            "Write rows that the caller may see; the error has `table`, `policy` and "
            "`row`.",
        ),
    },
    "ContextMissing": {
        "context-missing": (
            "A policy needs a value that the context does not hold.",
            "Set the context round the statement; no value never means no filter.",
        ),
    },
    "UnsupportedStatement": {
        "unsupported-statement": (
            "The statement cannot be rewritten faithfully.",
            "Write it in another way, or run it within `bypass()`.",
        ),
        "unparsed-statement": (
            "The statement could not be parsed, so its tables are unknown.",
            "Correct its syntax, or write it in plainer SQL.",
        ),
        "statement-kind": (
            "Statements of this kind are not understood.",
            "Use a kind that docs/statements.md lists as planned or passed.",
        ),
        "too-deep": (
            "The statement is nested too deep to be parsed safely.",
            "Flatten it, or move its parts into common table expressions.",
        ),
        "dangerous-function": (
            "The statement calls a function that runs SQL, reads files or reads past "
            "any filter, or one that touches a protected table by itself.",
            "Do without the function, or run the statement within `bypass()`.",
        ),
        "unsupported-construct": (
            "The statement uses a construct that a filter would break.",
            "Write that part in another way; the message names it.",
        ),
        "unproved-rewrite": (
            "The edited text did not parse to the statement that was planned.",
            "Write the statement in plainer SQL, and report it as a defect.",
        ),
        "unlisted-table": (
            "The table has no policy, and such tables are to be refused.",
            'Write a policy for it, or set `unlisted="allow"`.',
        ),
        "unknown-relation": (
            "The statement names a table that the catalogue does not know.",
            "Check the name and its schema.",
        ),
        "unchecked-view": (
            "A view that a plugin is configured for was made within `bypass()`; if its "
            "columns tell whose its rows are is seen when a statement is executed.",
            "Execute a statement on it; `explain()` does not ask the database.",
        ),
        "undeclared-view": (
            "The statement uses a view, a virtual table, a partition or a system table "
            "that shows or holds rows of a protected table.",
            "Use the table itself, name the view in the configuration of each plugin, "
            "or run the statement within `bypass()`.",
        ),
        "undeclared-trigger": (
            "The statement fires a trigger that uses a protected table.",
            "Declare the trigger in the plugin's configuration (`accept_triggers=` of "
            "`SoftDelete`), or run the statement within `bypass()`.",
        ),
        "foreign-key-action": (
            "The action of a foreign key would remove rows of a protected table, or "
            "change rows that the caller does not see.",
            "Let the key hold the tenant, see to those rows first, or run the "
            "statement within `bypass()`.",
        ),
        "unplanned-relation": (
            "In strict mode: the database was about to use a relation or a function "
            "that the plan of the statement does not hold.",
            "Look what another connection has done to the schema, and try again.",
        ),
        "protected-ddl": (
            "The statement drops, renames or builds on a protected table, or writes "
            "to a table of the database's own.",
            "Run it within `bypass()` for each plugin that protects the table.",
        ),
        "reserved-name": (
            "The statement uses a name that the shim keeps for itself.",
            "Choose a name that does not begin with the reserved prefix.",
        ),
        "raw-deletion-update": (
            "The statement writes the column that marks rows as deleted.",
            "Use DELETE and `restore()`, or allow raw writes in the configuration.",
        ),
    },
    "TombstoneConflict": {
        "tombstone-conflict": (
            "A row has the unique key of a deleted row, which is still there.",
            "Use a unique index over live rows only, or restore or purge the other.",
        ),
    },
}

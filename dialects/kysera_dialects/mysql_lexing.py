"""The tokens of MySQL and MariaDB: they follow the server's version and its sql_mode.

https://dev.mysql.com/doc/refman/8.4/en/language-structure.html
https://mariadb.com/docs/server/reference/sql-structure/sql-language-structure
"""

from collections.abc import Collection

from kysera_dbapi.dialect import Lexical

__all__ = ["MARIADB", "MYSQL", "grammar_settings", "lexical"]

#: Reserved on both, those that a name may be but seldom is (END) with them.
_BOTH = """
ACCESSIBLE ADD ALL ALTER ANALYZE AND AS ASC ASENSITIVE BEFORE BETWEEN BIGINT BINARY
BLOB BOTH BY CALL CASCADE CASE CHANGE CHAR CHARACTER CHECK COLLATE COLUMN CONDITION
CONSTRAINT CONTINUE CONVERT CREATE CROSS CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
CURRENT_USER CURSOR DATABASES DAY_HOUR DAY_MICROSECOND DAY_MINUTE DAY_SECOND DEC
DECIMAL DECLARE DEFAULT DELAYED DELETE DESC DESCRIBE DETERMINISTIC DISTINCT
DISTINCTROW DIV DOUBLE DROP DUAL EACH ELSE ELSEIF ENCLOSED END ESCAPED EXCEPT EXISTS
EXIT EXPLAIN FALSE FETCH FLOAT FLOAT4 FLOAT8 FOR FORCE FOREIGN FROM FULLTEXT GRANT
GROUP HAVING HIGH_PRIORITY HOUR_MICROSECOND HOUR_MINUTE HOUR_SECOND IF IGNORE IN INDEX
INFILE INNER INOUT INSENSITIVE INSERT INT INT1 INT2 INT3 INT4 INT8 INTEGER INTERSECT
INTERVAL INTO IS ITERATE JOIN KEY KEYS KILL LEADING LEAVE LEFT LIKE LIMIT LINEAR LINES
LOAD LOCALTIME LOCALTIMESTAMP LOCK LONG LONGBLOB LONGTEXT LOOP LOW_PRIORITY MATCH
MAXVALUE MEDIUMBLOB MEDIUMINT MEDIUMTEXT MIDDLEINT MINUTE_MICROSECOND MINUTE_SECOND
MOD MODIFIES NATURAL NOT NO_WRITE_TO_BINLOG NULL NUMERIC ON OPTIMIZE OPTIONALLY OR
ORDER OUT OUTER OUTFILE OVER PARTITION PRECISION PRIMARY PROCEDURE PURGE RANGE READ
READS READ_WRITE REAL RECURSIVE REFERENCES REGEXP RELEASE RENAME REPEAT REPLACE
REQUIRE RESIGNAL RESTRICT RETURN REVOKE RIGHT RLIKE ROWS ROW_NUMBER SCHEMAS
SECOND_MICROSECOND SELECT SENSITIVE SEPARATOR SET SHOW SIGNAL SMALLINT SPATIAL
SPECIFIC SQL SQLEXCEPTION SQLSTATE SQLWARNING SQL_BIG_RESULT SQL_CALC_FOUND_ROWS
SQL_SMALL_RESULT SSL STARTING STRAIGHT_JOIN TABLE TERMINATED THEN TINYBLOB TINYINT
TINYTEXT TO TRAILING TRIGGER TRUE UNDO UNION UNIQUE UNLOCK UNSIGNED UPDATE USAGE USE
USING UTC_DATE UTC_TIME UTC_TIMESTAMP VALUES VARBINARY VARCHAR VARCHARACTER VARYING
WHEN WHERE WHILE WINDOW WITH WRITE XOR YEAR_MONTH ZEROFILL
_ARMSCII8 _ASCII _BIG5 _BINARY _CP1250 _CP1251 _CP1256 _CP1257 _CP850 _CP852 _CP866
_CP932 _DEC8 _EUCJPMS _EUCKR _GB18030 _GB2312 _GBK _GEOSTD8 _GREEK _HEBREW _HP8 _KEYBCS2
_KOI8R _KOI8U _LATIN1 _LATIN2 _LATIN5 _LATIN7 _MACCE _MACROMAN _SJIS _SWE7 _TIS620 _UCS2
_UJIS _UTF16 _UTF16LE _UTF32 _UTF8 _UTF8MB3 _UTF8MB4
"""
_OF_MYSQL = """
CUBE CUME_DIST DATABASE DENSE_RANK EMPTY EXTERNAL FIRST_VALUE FUNCTION GENERATED GET
GROUPING GROUPS IO_AFTER_GTIDS IO_BEFORE_GTIDS JSON_TABLE LAG LAST_VALUE LATERAL LEAD
LIBRARY NTH_VALUE NTILE OF OPTIMIZER_COSTS OPTION PERCENT_RANK QUALIFY RANK ROW SCHEMA
STORED SYSTEM TABLESAMPLE VIRTUAL
"""
_OF_MARIADB = """
CURRENT_ROLE DELETE_DOMAIN_ID DO_DOMAIN_IDS IGNORE_DOMAIN_IDS MASTER_DEMOTE_TO_REPLICA
MASTER_DEMOTE_TO_SLAVE MASTER_SSL_VERIFY_SERVER_CERT OFFSET PAGE_CHECKSUM
PARSE_VCOL_EXPR PORTION REF_SYSTEM_ID RETURNING SQL_BUFFER_RESULT SQL_CACHE
SQL_NO_CACHE STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES
"""
#: Information_schema.keywords of 9.7 that are reserved.
MYSQL = frozenset((_BOTH + _OF_MYSQL).split())
#: Those of 10.11 that cannot be an alias, or a column.
MARIADB = frozenset((_BOTH + _OF_MARIADB).split())

_IDENT = r"A-Za-z0-9_$\x80-\U0010ffff"
_EXPONENT = r"[eE][+-]?[0-9]++"
#: A name may begin with a digit, and does after a dot: 1a, 1e, t.1e5; 1e5a is 1e5, a.
_NUMBER = (
    rf"(?:(?<!\.)[0-9]++(?:{_EXPONENT}|\.[0-9]*+(?:{_EXPONENT})?+|(?![{_IDENT}.]))"
    rf"|(?<![{_IDENT}])\.[0-9]++(?:{_EXPONENT})?+)"
)


def lexical(version: int, modes: Collection[str], *, mariadb: bool) -> Lexical:
    """The tokens in these modes; ``version`` is the server's as one number, 80042."""
    executed, skipped = _executed(version, mariadb=mariadb)
    inner = "" if "NO_BACKSLASH_ESCAPES" in modes else r"\\"
    ansi = "ANSI_QUOTES" in modes
    strings = [_quoted(quote, inner) for quote in ("'" if ansi else "'\"")]
    of_mariadb = "M?" if mariadb else ""
    return Lexical(
        blank=r"[ \t\n\v\f\r]++",
        comment=(
            rf"(?:#|--{_ENDS})[^\n\x00]*+|{executed}|{skipped}"
            rf"|/\*(?!{of_mariadb}!|\+)(?:[^*]|\*(?!/))*+\*/|{_HINT}"
        ),
        string="|".join(strings),
        blob=(
            rf"[nN]{strings[0]}|[xX]'[0-9a-fA-F]*+'|[bB]'[01]*+'"
            rf"|0(?:x[0-9a-fA-F]++|b[01]++)(?![{_IDENT}])"
        ),
        quoted="|".join(_quoted(quote, r"\x00") for quote in ('`"' if ansi else "`")),
        number=_NUMBER,
        placeholder="(?!)",
        word=rf"(?!{_NUMBER})[{_IDENT}]++",
        format=r"%[s%]|%\([^()]*\)s",
        numbered="$",  # none has a number
        executed=executed,
        # $tag$ begins a string since MySQL 9
        broken=r"/\*|['\"`\x00]|\$[A-Za-z0-9_\x80-\U0010ffff]*+\$",
    )


def _quoted(quote: str, excluded: str) -> str:
    """What stands in such quotes; an excluded backslash is an escape."""
    escape = r"|\\(?s:.)" if excluded == r"\\" else ""
    return f"{quote}(?:[^{quote}{excluded}]|{quote}{quote}{escape})*+{quote}"


#: What has to follow two hyphens that begin a comment.
_ENDS = r"(?=[\x00-\x20\x7f]|\Z)"
#: A hint may set a variable, sql_mode among them; a name in quotes in it may hold what
#: ends a comment: that is no hint to us.
_HINT = (
    r"/\*\+(?!(?:[^*]|\*(?!/))*?(?i:SET_VAR))"
    r"(?:[^*'\"`]|\*(?!/)|'[^'*\\]*+'|\"[^\"*\\]*+\"|`[^`*]*+`)*+\*/"
)


def _executed(version: int, *, mariadb: bool) -> tuple[str, str]:
    """The beginning of a comment that is executed, and the whole of one that is not.

    Its number is of five digits, or of six and a blank. MariaDB takes the numbers of
    MySQL from 5.7 on for another product's. A comment that is not executed may hold
    comments.
    """
    until = rf"(?:{_up_to(version, 5)}(?![0-9])|{_up_to(version, 6)}(?=[ \t\n\r]))"
    others = r"(?!50[7-9]|5[1-9]|[6-9])" if mariadb else ""
    any_ = r"(?:[0-9]{5}(?![0-9])|[1-9][0-9]{5}(?=[ \t\n\r]))"
    within = r"(?:[^*/]|\*(?!/)|/(?!\*)|/\*(?:[^*]|\*(?!/))*+\*/)*+"
    executed = rf"/\*!(?:(?![0-9])|{others}{until})"
    skipped = rf"/\*!{any_}{within}\*/"
    if mariadb:
        executed += rf"|/\*M!(?:(?![0-9])|{until})"
        skipped += rf"|/\*M!{any_}{within}\*/"
    return executed, skipped


def _up_to(version: int, digits: int) -> str:
    """Numbers of so many digits, the first no 0 if they are six, up to that version."""
    most = str(min(version, 10**digits - 1)).zfill(digits)
    ways = [
        rf"{most[:i]}[0-{int(digit) - 1}][0-9]{{{digits - i - 1}}}"
        for i, digit in enumerate(most)
        if digit != "0"
    ]
    first = "(?!0)" if digits == 6 else ""
    return rf"{first}(?:{'|'.join((*ways, most))})"


def grammar_settings(modes: Collection[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What sqlglot's tokenizer is to know of the modes."""
    ansi = "ANSI_QUOTES" in modes
    backslash = () if "NO_BACKSLASH_ESCAPES" in modes else ("\\",)
    quotes, names = (("'",), ("`", '"')) if ansi else (("'", '"'), ("`",))
    escapes = ("'", '"', *backslash)
    return (
        ("QUOTES", quotes),
        ("IDENTIFIERS", names),
        ("STRING_ESCAPES", escapes),
        ("BYTE_STRING_ESCAPES", escapes),
    )

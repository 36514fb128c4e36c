"""Functions and relations of MySQL and MariaDB that go round a filter; known ones.

https://dev.mysql.com/doc/refman/8.4/en/built-in-function-reference.html
https://mariadb.com/docs/server/reference/sql-functions
"""

import re

__all__ = [
    "AGGREGATES",
    "DANGEROUS",
    "DANGEROUS_PREFIXES",
    "DANGEROUS_RELATIONS",
    "KNOWN",
    "NATIVE",
    "STATISTICS",
    "STEADY",
    "SYNTAX",
    "is_dangerous",
    "is_native",
]

#: They read files, run programs, show statements of others, or change what rewrites or
#: watches statements; with those of common plugins.
DANGEROUS = frozenset(
    """
flush_rewrite_rules load_file load_rewrite_rules mysql_firewall_flush_status
ps_thread_stack ps_thread_trx_info read_firewall_users read_firewall_whitelist
set_firewall_mode sys_eval sys_exec sys_get sys_set
""".split()
)

#: All functions whose names begin so.
DANGEROUS_PREFIXES = (
    "asynchronous_connection_failover_ audit_api_ audit_log_ can_access_ firewall_ "
    "gen_blacklist gen_blocklist gen_dictionary get_dd_ group_replication_ internal_ "
    "keyring_ lib_mysqludf_ masking_dictionar version_tokens_"
).split()
_DANGEROUS = re.compile("|".join(DANGEROUS_PREFIXES))

#: Values that tables hold, and texts of statements, of other sessions' too.
DANGEROUS_RELATIONS = frozenset(
    """
column_statistics column_stats data_lock_waits data_locks events_statements_current
events_statements_history events_statements_history_long
events_statements_summary_by_digest events_statements_histogram_by_digest general_log
innodb_buffer_page innodb_ft_being_deleted innodb_ft_deleted innodb_ft_index_cache
innodb_ft_index_table innodb_lock_waits innodb_locks innodb_trx metadata_locks
prepared_statements_instances processlist query_cache_info session slow_log
replication_applier_status_by_coordinator replication_applier_status_by_worker error_log
schema_table_lock_waits statement_analysis statements_with_errors_or_warnings
statements_with_full_table_scans statements_with_runtimes_in_95th_percentile
statements_with_sorting statements_with_temp_tables threads user_variables
user_variables_by_thread x$innodb_lock_waits x$processlist x$schema_table_lock_waits
x$ps_digest_95th_percentile_by_avg_us x$ps_digest_avg_latency_distribution x$session
x$statement_analysis x$statements_with_errors_or_warnings
x$statements_with_full_table_scans x$statements_with_runtimes_in_95th_percentile
x$statements_with_sorting x$statements_with_temp_tables
""".split()
)

#: Those that give the same if they are evaluated once more in a statement.
STEADY = frozenset(
    """
abs ceil ceiling char_length coalesce concat concat_ws curdate current_date
current_timestamp date floor greatest if ifnull in least left length lower lpad ltrim
mod now nullif pow power repeat replace reverse right round rpad rtrim sign substr
substring trim truncate upper utc_timestamp values
""".split()
)

#: Those of several rows that the parser takes for functions of one.
AGGREGATES = frozenset(("json_arrayagg", "rownum", "st_collect"))

#: Functions of all versions of both: nobody's own is called by these names, if no blank
#: is before the parenthesis.
NATIVE = frozenset(
    """
ABS ACOS ADDDATE ADDTIME ASCII ASIN ATAN ATAN2 AVG BIN BIT_AND BIT_COUNT BIT_LENGTH
BIT_OR BIT_XOR CAST CEIL CEILING CHAR_LENGTH CHARACTER_LENGTH COALESCE COERCIBILITY
COLLATION CONCAT CONCAT_WS CONNECTION_ID CONV CONVERT_TZ COS COT COUNT CRC32 CURDATE
CURTIME DATE DATE_ADD DATE_FORMAT DATE_SUB DATEDIFF DAY DAYNAME DAYOFMONTH DAYOFWEEK
DAYOFYEAR DEGREES ELT EXP EXPORT_SET EXTRACT FIELD FIND_IN_SET FLOOR FORMAT FROM_BASE64
FROM_DAYS FROM_UNIXTIME GREATEST GROUP_CONCAT HEX HOUR IFNULL INET_ATON INET_NTOA INSTR
JSON_ARRAY JSON_ARRAYAGG JSON_CONTAINS JSON_CONTAINS_PATH JSON_DEPTH JSON_EXTRACT
JSON_INSERT JSON_KEYS JSON_LENGTH JSON_OBJECT JSON_OBJECTAGG JSON_QUOTE JSON_REMOVE
JSON_REPLACE JSON_SEARCH JSON_SET JSON_TYPE JSON_UNQUOTE JSON_VALID LAST_DAY LCASE LEAST
LENGTH LN LOCATE LOG LOG10 LOG2 LOWER LPAD LTRIM MAKEDATE MAKETIME MAX MICROSECOND MID
MIN MINUTE MONTH MONTHNAME NOW NULLIF OCT OCTET_LENGTH ORD PERIOD_ADD PERIOD_DIFF PI
POSITION POW POWER QUARTER QUOTE RADIANS RAND REVERSE ROUND RPAD RTRIM SEC_TO_TIME
SECOND SHA2 SIGN SIN SOUNDEX SPACE SQRT STD STDDEV STDDEV_POP STDDEV_SAMP STR_TO_DATE
STRCMP SUBDATE SUBSTR SUBSTRING SUBSTRING_INDEX SUBTIME SUM SYSDATE TAN TIME TIME_FORMAT
TIME_TO_SEC TIMEDIFF TIMESTAMP TIMESTAMPADD TIMESTAMPDIFF TO_BASE64 TO_DAYS TO_SECONDS
TRIM TRUNCATE UCASE UNHEX UNIX_TIMESTAMP UPPER UUID VAR_POP VAR_SAMP VARIANCE WEEK
WEEKDAY WEEKOFYEAR YEAR YEARWEEK
""".split()
)
#: Reserved words of all versions of both that a parenthesis may follow.
SYNTAX = frozenset(
    """
ALL AND AS BETWEEN BINARY BY CASE CHAR CHARACTER CONVERT CURRENT_DATE CURRENT_TIME
CURRENT_TIMESTAMP DECIMAL DISTINCT DIV DOUBLE ELSE EXISTS FLOAT FOR FROM GROUP HAVING IF
IN INDEX INNER INSERT INT INTERVAL INTO IS JOIN KEY LEFT LIKE LIMIT LOCALTIME
LOCALTIMESTAMP MOD NOT NULL ON OR ORDER OUTER RANGE REGEXP REPEAT REPLACE RIGHT RLIKE
SELECT SET STRAIGHT_JOIN THEN UNION USING UTC_DATE UTC_TIME UTC_TIMESTAMP VALUES VARCHAR
WHEN WHERE WITH XOR
""".split()
)

#: They tell of the number or size of stored rows, or of their values: relations, and
#: databases of which each may.
STATISTICS = frozenset(
    """
performance_schema sys
client_statistics files global_status index_stats index_statistics
innodb_buffer_page_lru innodb_buffer_pool_stats innodb_cached_indexes
innodb_cmp_per_index innodb_cmp_per_index_reset innodb_index_stats innodb_metrics
innodb_sys_tablespaces innodb_sys_tablestats innodb_table_stats innodb_tablespaces
innodb_tablestats optimizer_trace partitions session_status statistics
table_statistics table_stats tables tablespaces thread_statistics user_statistics
""".split()
)

#: Functions that show nothing but what they are given, the time, and who asks. Those
#: that wait (SLEEP, GET_LOCK, BENCHMARK) tell of rows by the time that they take.
KNOWN = frozenset(
    """
abs acos add_months adddate addtime aes_decrypt aes_encrypt any_value area asbinary
ascii asin astext aswkb aswkt atan atan2 avg bin bin_to_uuid binary bit_and bit_count
bit_length bit_or bit_xor boundary buffer cast ceil ceiling centroid char char_length
character_length charset chr coalesce coercibility collation column_add column_check
column_create column_delete column_exists column_get column_json column_list compress
concat concat_ws connection_id contains conv convert convert_tz convexhull cos cot count
crc32 crc32c crosses cume_dist curdate current_date current_role current_time
current_timestamp current_user curtime database date date_add date_format date_sub
datediff day dayname dayofmonth dayofweek dayofyear decode_histogram default degrees
dense_rank des_decrypt des_encrypt dimension disjoint distance elt encode endpoint
envelope equals exp export_set exteriorring extract extractvalue field find_in_set
first_value floor format format_bytes format_pico_time found_rows from_base64 from_days
from_unixtime geomcollection geomcollfromtext geomcollfromwkb geometrycollection
geometrycollectionfromtext geometrycollectionfromwkb geometryfromtext geometryfromwkb
geometryn geometrytype geomfromtext geomfromwkb get_format glength greatest group_concat
grouping gtid_subset gtid_subtract hex hour icu_version ifnull inet6_aton inet6_ntoa
inet_aton inet_ntoa instr interiorringn intersects is_ipv4 is_ipv4_compat is_ipv4_mapped
is_ipv6 is_uuid isclosed isempty isnull isring issimple json_array json_array_append
json_array_insert json_array_intersect json_arrayagg json_compact json_contains
json_contains_path json_depth json_detailed json_equals json_exists json_extract
json_insert json_key_value json_keys json_length json_loose json_merge json_merge_patch
json_merge_preserve json_normalize json_object json_object_filter_keys
json_object_to_array json_objectagg json_overlaps json_pretty json_query json_quote
json_remove json_replace json_schema_valid json_schema_validation_report json_search
json_set json_storage_free json_storage_size json_table json_type json_unquote
json_valid json_value kdf lag last_day last_insert_id last_value lastval lcase lead
least left length lengthb linefromtext linefromwkb linestring linestringfromtext
linestringfromwkb ln localtime localtimestamp locate log log10 log2 lower lpad ltrim
make_set makedate maketime max mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequal
mbrequals mbrintersects mbroverlaps mbrtouches mbrwithin md5 median microsecond mid min
minute mlinefromtext mlinefromwkb mod month monthname months_between mpointfromtext
mpointfromwkb mpolyfromtext mpolyfromwkb multilinestring multilinestringfromtext
multilinestringfromwkb multipoint multipointfromtext multipointfromwkb multipolygon
multipolygonfromtext multipolygonfromwkb name_const natural_sort_key nextval now
nth_value ntile nullif numgeometries numinteriorrings numpoints oct octet_length
old_password ord overlaps password percent_rank percentile_cont percentile_disc
period_add period_diff pi point pointfromtext pointfromwkb pointn pointonsurface
polyfromtext polyfromwkb polygon polygonfromtext polygonfromwkb position pow power
quarter quote radians rand random_bytes rank regexp_instr regexp_like regexp_replace
regexp_substr repeat replace reverse right round row_count row_number rownum rpad rtrim
schema sec_to_time second session_user sformat sha sha1 sha2 sign sin soundex space sqrt
srid st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_boundary st_buffer
st_buffer_strategy st_centroid st_collect st_contains st_convexhull st_crosses
st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint
st_envelope st_equals st_exteriorring st_frechetdistance st_geohash st_geomcollfromtext
st_geomcollfromwkb st_geometrycollectionfromtext st_geometrycollectionfromwkb
st_geometryfromtext st_geometryfromwkb st_geometryn st_geometrytype st_geomfromgeojson
st_geomfromtext st_geomfromwkb st_hausdorffdistance st_interiorringn st_intersection
st_intersects st_isclosed st_isempty st_isring st_issimple st_isvalid st_latfromgeohash
st_latitude st_length st_linefromtext st_linefromwkb st_lineinterpolatepoint
st_lineinterpolatepoints st_linestringfromtext st_linestringfromwkb st_longfromgeohash
st_longitude st_makeenvelope st_mlinefromtext st_mlinefromwkb st_mpointfromtext
st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb st_multilinestringfromtext
st_multipointfromtext st_multipointfromwkb st_multipolygonfromtext
st_multipolygonfromwkb st_numgeometries st_numinteriorrings st_numpoints st_overlaps
st_pointatdistance st_pointfromgeohash st_pointfromtext st_pointfromwkb st_pointn
st_pointonsurface st_polyfromtext st_polyfromwkb st_polygonfromtext st_polygonfromwkb
st_relate st_simplify st_srid st_startpoint st_swapxy st_symdifference st_touches
st_transform st_union st_validate st_within st_x st_y startpoint std stddev stddev_pop
stddev_samp str_to_date strcmp string_to_vector subdate substr substring substring_index
subtime sum sys_guid sysdate system_user tan time time_format time_to_sec timediff
timestamp timestampadd timestampdiff to_base64 to_char to_date to_days to_number
to_seconds touches trim trim_oracle trunc truncate ucase uncompress uncompressed_length
unhex unix_timestamp updatexml upper user utc_date utc_time utc_timestamp uuid
uuid_short uuid_to_bin uuid_v4 uuid_v7 values var_pop var_samp variance vec_distance
vec_distance_cosine vec_distance_euclidean vec_fromtext vec_totext vector_dim
vector_to_string version week weekday weekofyear weight_string within x y year yearweek
""".split()
)


def is_dangerous(name: str) -> bool:
    """Whether a function or a relation goes round any filter."""
    listed = name in DANGEROUS or name in DANGEROUS_RELATIONS
    return listed or bool(_DANGEROUS.match(name))


def is_native(invoked: str) -> bool:
    """Whether what stands before a parenthesis calls no function of somebody's own."""
    return invoked in NATIVE or invoked.rstrip() in SYNTAX

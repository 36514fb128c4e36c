"""PostgreSQL's functions and relations that go round a filter, and those that do not.

https://www.postgresql.org/docs/current/functions.html
"""

import re

from kysera_dbapi.catalogue import Function

__all__ = [
    "DANGEROUS",
    "DANGEROUS_PREFIXES",
    "DANGEROUS_RELATIONS",
    "EXTENSIONS",
    "KNOWN",
    "LANGUAGES",
    "STATISTICS",
    "changes_names",
    "is_dangerous",
    "is_plain",
]

#: The languages whose texts are SQL, or hold it.
LANGUAGES = frozenset(("sql", "plpgsql"))

#: Extensions whose functions in C show nothing but what they are given.
EXTENSIONS = frozenset(
    """
btree_gin btree_gist citext cube dict_int dict_xsyn earthdistance fuzzystrmatch hstore
intarray isn ltree pg_trgm pgcrypto seg tsm_system_rows tsm_system_time unaccent
uuid-ossp vector
""".split()
)

#: They run SQL, read files or raw pages, change settings, statistics or rows unseen, or
#: show what was logged; with those of the contrib modules.
DANGEROUS = frozenset(
    """
add_job connectby currtid currtid2 find_extent get_raw_page heap_force_freeze
heap_force_kill heap_tuple_infomask_flags loread lowrite page_checksum page_header
pageinspect pg_background_launch pg_clear_attribute_stats pg_clear_relation_stats
pg_current_logfile pg_execute_sql pg_file_rename pg_file_settings pg_file_sync
pg_file_unlink pg_file_write pg_hba_file_rules pg_ident_file_mappings
pg_restore_attribute_stats pg_restore_relation_stats pg_rotate_logfile
pg_rotate_logfile_old pg_show_all_file_settings pg_stat_file run_job
schedule_in_database set_config st_findextent ts_rewrite ts_stat tuple_data_split
verify_heapam xpath_table
""".split()
)

#: All functions whose names begin so.
DANGEROUS_PREFIXES = (
    "binary_upgrade_ brin_page bt_metap bt_multi_page bt_page crosstab cursor_to_xml "
    "database_to_xml dblink fsm_page gin_leafpage gin_metapage gin_page gist_page "
    "hash_bitmap hash_metapage hash_page heap_page lo_ pg_get_wal_block "
    "pg_get_wal_record pg_logical_ pg_ls_ pg_read_ pg_replication_origin_ query_to_xml "
    "schema_to_xml table_to_xml"
).split()
_DANGEROUS = re.compile("|".join((*DANGEROUS_PREFIXES, r"pg_toast_\d")))

#: Samples of the values that tables hold, and values stored outside of their rows.
DANGEROUS_RELATIONS = frozenset(
    """
pg_file_settings pg_hba_file_rules pg_ident_file_mappings pg_largeobject pg_statistic
pg_statistic_ext_data pg_stats pg_stats_ext pg_stats_ext_exprs
""".split()
)

#: Numbers of rows, and the texts of statements with the values that stand in them.
STATISTICS = frozenset(
    """
pg_class pg_cursors pg_prepared_statements pg_sequences pg_stat_activity
pg_stat_all_indexes pg_stat_all_tables pg_stat_archiver pg_stat_bgwriter
pg_stat_checkpointer pg_stat_database pg_stat_database_conflicts pg_stat_io
pg_stat_monitor pg_stat_progress_analyze pg_stat_progress_basebackup
pg_stat_progress_cluster pg_stat_progress_copy pg_stat_progress_create_index
pg_stat_progress_vacuum pg_stat_recovery_prefetch pg_stat_replication
pg_stat_replication_slots pg_stat_slru pg_stat_statements pg_stat_statements_info
pg_stat_subscription pg_stat_subscription_stats pg_stat_sys_indexes pg_stat_sys_tables
pg_stat_user_functions pg_stat_user_indexes pg_stat_user_tables pg_stat_wal
pg_stat_wal_receiver pg_stat_xact_all_tables pg_stat_xact_sys_tables
pg_stat_xact_user_functions pg_stat_xact_user_tables pg_statio_all_indexes
pg_statio_all_sequences pg_statio_all_tables pg_statio_sys_indexes
pg_statio_sys_sequences pg_statio_sys_tables pg_statio_user_indexes
pg_statio_user_sequences pg_statio_user_tables
""".split()
)

#: By the chapters of the documentation: comparison, mathematics, strings, bytes,
#: formats, dates, enums, geometry, networks, text search, UUIDs, XML, JSON, sequences,
#: conditions, arrays, ranges, aggregates, windows, sets, the session, comments, types;
#: at last what is no function, but stands before a parenthesis, too.
KNOWN = frozenset(
    """
num_nonnulls num_nulls
abs acos acosd asin asind atan atan2 atan2d atand cbrt ceil ceiling cos cosd cot cotd
degrees div erf erfc exp factorial floor gcd lcm ln log log10 min_scale mod pi power pow
radians random random_normal round scale setseed sign sin sind sinh cosh tanh asinh
acosh atanh sqrt tan tand trim_scale trunc width_bucket gamma lgamma
ascii bit_length btrim casefold char_length character_length chr concat concat_ws format
initcap left length lower lpad ltrim md5 normalize octet_length overlay parse_ident
position quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like
regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table
regexp_substr repeat replace reverse right rpad rtrim split_part starts_with
string_to_array string_to_table strpos substr substring to_ascii to_bin to_hex to_oct
translate unicode_assigned unistr upper
bit_count convert convert_from convert_to crc32 crc32c decode encode get_bit get_byte
set_bit set_byte sha224 sha256 sha384 sha512
to_char to_date to_number to_timestamp
age clock_timestamp date_add date_bin date_part date_subtract date_trunc isfinite
justify_days justify_hours justify_interval make_date make_interval make_time
make_timestamp make_timestamptz now overlaps statement_timestamp timeofday timezone
transaction_timestamp
enum_first enum_last enum_range
area bound_box box center circle diagonal diameter height isclosed isopen line lseg
npoints path pclose point polygon popen radius slope width
abbrev broadcast family host hostmask inet_merge inet_same_family macaddr8_set7bit
masklen netmask network set_masklen
array_to_tsvector get_current_ts_config json_to_tsvector jsonb_to_tsvector numnode
phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery to_tsvector
ts_debug ts_delete ts_filter ts_headline ts_lexize ts_parse ts_rank ts_rank_cd
ts_token_type tsquery_phrase tsvector_to_array websearch_to_tsquery
gen_random_uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7
xml xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlagg
xmlcomment xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize
xmltable xmltext xpath xpath_exists
array_to_json json json_array json_array_elements json_array_elements_text
json_array_length json_arrayagg json_build_array json_build_object json_each
json_each_text json_exists json_extract_path json_extract_path_text json_object
json_object_agg json_object_agg_strict json_object_agg_unique
json_object_agg_unique_strict json_object_keys json_objectagg json_populate_record
json_populate_recordset json_query json_scalar json_serialize json_strip_nulls
json_table json_to_record json_to_recordset json_typeof json_value jsonb
jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
jsonb_insert jsonb_object jsonb_object_agg jsonb_object_agg_strict
jsonb_object_agg_unique jsonb_object_agg_unique_strict jsonb_object_keys
jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz
jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first
jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record
jsonb_populate_record_valid jsonb_populate_recordset jsonb_pretty jsonb_set
jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof
row_to_json to_json to_jsonb
currval lastval nextval setval
coalesce greatest least nullif
array array_append array_cat array_dims array_fill array_length array_lower array_ndims
array_position array_positions array_prepend array_remove array_replace array_reverse
array_sample array_shuffle array_sort array_to_string array_upper cardinality trim_array
unnest
daterange datemultirange int4multirange int4range int8multirange int8range isempty
lower_inc lower_inf multirange nummultirange numrange range_merge tsmultirange tsrange
tstzmultirange tstzrange upper_inc upper_inf
any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop
covar_samp every grouping json_agg json_agg_strict jsonb_agg jsonb_agg_strict max min
mode percentile_cont percentile_disc range_agg range_intersect_agg regr_avgx regr_avgy
regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev
stddev_pop stddev_samp string_agg sum var_pop var_samp variance
cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank
row_number
generate_series generate_subscripts
current_database current_schemas current_setting format_type has_any_column_privilege
has_column_privilege has_database_privilege has_function_privilege has_schema_privilege
has_sequence_privilege has_table_privilege has_type_privilege inet_client_addr
inet_client_port inet_server_addr inet_server_port pg_backend_pid pg_client_encoding
pg_collation_for pg_column_compression pg_column_size pg_get_constraintdef pg_get_expr
pg_get_functiondef pg_get_indexdef pg_get_serial_sequence pg_get_userbyid pg_get_viewdef
pg_has_role pg_input_error_info pg_input_is_valid pg_my_temp_schema pg_notify
pg_postmaster_start_time pg_table_is_visible pg_trigger_depth pg_type_is_visible
pg_typeof row_security_active to_regclass to_regnamespace to_regproc to_regrole
to_regtype txid_current txid_current_if_assigned version
pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all
pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared
pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock
pg_try_advisory_xact_lock_shared pg_sleep pg_sleep_for pg_sleep_until
col_description obj_description shobj_description
bit bool bpchar char date dec decimal float float4 float8 inet int int2 int4 int8
interval name numeric oid text time timestamp timestamptz timetz varbit varchar varying
precision zone row extract
aggregate_dummy bernoulli between by columns conflict cube escape exists explain filter
first materialized next operator over passing recursive repeatable rollup rows set sets
similar system values within
""".split()
)


def is_dangerous(name: str) -> bool:
    """Whether a (folded) function or relation goes round any filter."""
    listed = name in DANGEROUS or name in DANGEROUS_RELATIONS
    return listed or bool(_DANGEROUS.match(name))


#: What makes a statement of a text, and strings whose escapes hide what they say.
_HIDING = re.compile(r"(?i)\bexecute\b|\be'[^']*\\|\bu&['\"]")

#: Where a statement begins, and not the SET of an UPDATE.
_NAMING = re.compile(
    r"(?i)(?:^|[;']|\b(?:begin|then|else|loop))\s*(?:re)?set\s+(?:session\s+|local\s+)?"
    r"(?:all|role|schema|search_path|session_authorization|session\s+authorization)\b"
)


def changes_names(code: str) -> bool:
    """Whether the text of a function sets the search path, or the role."""
    return bool(_NAMING.search(code))


def is_plain(routine: Function) -> bool:
    """Whether a function uses nothing but what the catalogue or its text tells.

    What a type in C does by itself is trusted: its casts, its input and output.
    """
    language = routine.language
    if routine.reads is not None:
        return True
    if language == "internal":
        return routine.text.split()[0] in KNOWN
    if language == "c":
        return routine.implicit or routine.extension in EXTENSIONS
    return language in LANGUAGES and not _HIDING.search(routine.text)

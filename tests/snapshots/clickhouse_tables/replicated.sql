CREATE TABLE IF NOT EXISTS events_local (
    event_id    UUID                    CODEC(LZ4),
    site_id     LowCardinality(String),
    name        LowCardinality(String),
    timestamp   DateTime64(6, 'UTC')    CODEC(T64, LZ4),
    received_at DateTime64(6, 'UTC')    CODEC(T64, LZ4),
    user_id     Nullable(String)        CODEC(LZ4),
    session_id  Nullable(String)        CODEC(LZ4),
    source      LowCardinality(String),
    path        Nullable(String)        CODEC(ZSTD(1)),
    properties  String                  CODEC(ZSTD(1)), -- the bytes that the client sent
    ingester    LowCardinality(String),                 -- the block that the event came with, and its line there
    seq         Int64                   CODEC(T64, LZ4),
    line        Int64                   CODEC(T64, LZ4),
    version     UInt64                  CODEC(T64, LZ4),    -- 2^64 - 1 - microseconds since 1970 when it was stored
    day         Date                    DEFAULT toDate(timestamp),
    user_key    UInt128                 DEFAULT if(user_id IS NULL, 0, reinterpretAsUInt128(sipHash128(assumeNotNull(user_id)))) CODEC(LZ4),
    bot         UInt8                   DEFAULT if(
        position(properties, '"$bot"') > 0 OR position(properties, '\\u') > 0,
        JSONExtractRaw(properties, '$bot') = 'true', 0),
    -- Properties whose numbers ClickHouse's JSON functions would change (1.0, 1e3, 30 digits, -0), with these numbers as
    -- strings that begin with NUL, which no event has; empty: none does. A number's text is that of PostgreSQL's
    -- json_number_text. \x01 and \x02, which stand in no JSON, are put around the numbers to split the text at them.
    readable    String                  DEFAULT if(
        match(properties, '[0-9]\\.0+[^0-9]|[0-9][eE]|[0-9.]{17}|-0'),
        arrayStringConcat(arrayMap(
            (place, part, number) ->
                if(place = 1, part, concat('"\\u0000', number, '"', substring(part, position(part, '\x02') + 1))),
            arrayEnumerate(
                splitByChar('\x01', replaceAll(
                    replaceRegexpAll(properties, '("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][0-9.eE+-]*)', '\\1\x01\\2\x02'),
                    '\x01\x02', '')) AS parts),
            parts,
            arrayMap(
                (digits, double) -> multiIf(
                    NOT match(digits, '[.eE]'), if(digits = '-0', '0', digits),
                    double IS NULL OR isInfinite(double), digits,
                    match(toString(assumeNotNull(double)), '[.e]'), toString(assumeNotNull(double)),
                    concat(toString(assumeNotNull(double)), '.0')),
                arrayMap(part -> substring(part, 1, greatest(position(part, '\x02'), 1) - 1), parts) AS numbers,
                arrayMap(digits -> JSONExtract(concat('[', digits, ']'), 1, 'Nullable(Float64)'), numbers)))),
        '') CODEC(ZSTD(1)),
    -- The id that the event joins to its user: a text of 1 to 256 characters, or a whole number; not the user's own id, and
    -- no placeholder, which is what programs send when they know no id. NULL: it joins none.
    joined_id   Nullable(String)        DEFAULT if(
        name IN ('identify', '$identify', 'alias', '$create_alias') AND user_id IS NOT NULL,
        nullIf(arrayFirst(
            id -> lengthUTF8(id) BETWEEN 1 AND 256 AND id <> assumeNotNull(user_id)
                  AND hasAny([lower(trimBoth(id, ' "\'\t\n\x0b\f\r')),
                              lower(trimBoth(assumeNotNull(user_id), ' "\'\t\n\x0b\f\r'))], [
                        '', 'null', '(null)', '<null>', 'nil', '<nil>', 'none', 'undefined', 'nan', '0', '-1', 'true', 'false',
                        '[object object]', 'anonymous', 'guest', 'unknown', 'not_authenticated', 'id', 'email',
                        'distinct_id', 'distinctid', '00000000-0000-0000-0000-000000000000']) = 0,
            arrayMap(
                key -> multiIf(
                    JSONType(if(readable = '', properties, readable), key) IN ('Int64', 'UInt64'),
                    JSONExtractRaw(properties, key),
                    JSONType(if(readable = '', properties, readable), key) <> 'String',
                    '',
                    NOT startsWith(JSONExtractString(if(readable = '', properties, readable), key), '\0'),
                    JSONExtractString(if(readable = '', properties, readable), key),
                    match(JSONExtractString(if(readable = '', properties, readable), key), '^\\x00-?[0-9]+$'),
                    substring(JSONExtractString(if(readable = '', properties, readable), key), 2),
                    ''),
                if(name IN ('identify', '$identify'), ['anonymous_id', 'anonymousId', '$anon_distinct_id'],
                   ['alias', 'previous_id', 'previousId']))), ''),
        NULL),
    INDEX events_user user_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version)
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (site_id, timestamp, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS events AS events_local
ENGINE = Distributed('o''clock', currentDatabase(), events_local, cityHash64(toString(site_id), event_id));

CREATE TABLE IF NOT EXISTS recent_ids_local (
    hash        UInt64                  CODEC(LZ4),     -- cityHash64 of site and event id
    timestamp   DateTime64(6, 'UTC')    CODEC(T64, LZ4),
    received_at DateTime64(6, 'UTC')    CODEC(T64, LZ4),
    stored_at   DateTime64(6, 'UTC')    CODEC(T64, LZ4)
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
PARTITION BY toYYYYMMDD(received_at)
ORDER BY hash
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS recent_ids AS recent_ids_local
ENGINE = Distributed('o''clock', currentDatabase(), recent_ids_local, hash);

CREATE TABLE IF NOT EXISTS blocks_local (
    ingester   String,
    seq        Int64,
    count      Int64,
    stored     Int64,
    conflicts  Int64,                   -- duplicates whose payload differs; duplicates are count - stored - dead
    dead       Int64,
    oldest     DateTime64(6, 'UTC'),    -- event times of the block
    newest     DateTime64(6, 'UTC'),
    loaded_at  DateTime64(6, 'UTC'),
    settled    UInt8,
    version    UInt64                   -- the first write wins, and a settled one over all others
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version)
ORDER BY (ingester, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS blocks AS blocks_local
ENGINE = Distributed('o''clock', currentDatabase(), blocks_local, 0);

CREATE TABLE IF NOT EXISTS ledger_folded_local (
    ingester   String,
    folded     Int64,
    count      Int64,
    stored     Int64,
    duplicates Int64,
    conflicts  Int64,
    dead       Int64,
    loaded_at  DateTime64(6, 'UTC')     -- of the newest of these blocks
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', folded)
ORDER BY ingester
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS ledger_folded AS ledger_folded_local
ENGINE = Distributed('o''clock', currentDatabase(), ledger_folded_local, 0);

CREATE TABLE IF NOT EXISTS dead_letters_local (
    id         Int64,                   -- ascending in time; below 2^53, which JavaScript can count
    ingester   String,
    seq        Int64,
    "index"    Int64,                   -- index in the block; -1: the block itself is broken
    original   String,
    code       String,
    reason     String,
    events     Int64,
    attempts   Int64,
    dead_at    DateTime64(6, 'UTC'),
    state      LowCardinality(String),  -- dead, replayed, dropped
    version    UInt64                   -- the first write wins, and a later state over it
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version)
ORDER BY (ingester, seq, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS dead_letters AS dead_letters_local
ENGINE = Distributed('o''clock', currentDatabase(), dead_letters_local, 0);

CREATE TABLE IF NOT EXISTS removals_local (
    id         UUID,
    removed_at DateTime64(6, 'UTC'),
    kind       LowCardinality(String),  -- purge, import
    subject    String,                  -- the import's id
    site_id    Nullable(String),        -- NULL: every site
    first      DateTime64(6, 'UTC'),
    until      DateTime64(6, 'UTC'),    -- event times; excluded
    sites      Array(String),           -- the sites of the removed events
    counts     Array(Int64),            -- and how many each had
    done       UInt8
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', done)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS removals AS removals_local
ENGINE = Distributed('o''clock', currentDatabase(), removals_local, 0);

CREATE TABLE IF NOT EXISTS bot_sites_local (
    site_id String
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
ORDER BY site_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS bot_sites AS bot_sites_local
ENGINE = Distributed('o''clock', currentDatabase(), bot_sites_local, 0);

CREATE TABLE IF NOT EXISTS identities_local (
    site_id   String,
    user_id   String,                   -- the id that was joined
    linked_to String,
    linked_at DateTime64(6, 'UTC'),     -- the time of the event that did it
    event_id  UUID,
    person_id String,                   -- the end of the chain
    version   UInt64,
    gone      UInt8
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version, gone)
ORDER BY (site_id, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS identities AS identities_local
ENGINE = Distributed('o''clock', currentDatabase(), identities_local, 0);

CREATE TABLE IF NOT EXISTS splits_local (
    site_id  String,
    user_id  String,                    -- the id that was joined
    split_at DateTime64(6, 'UTC'),      -- event time
    version  UInt64,
    gone     UInt8
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version, gone)
ORDER BY (site_id, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS splits AS splits_local
ENGINE = Distributed('o''clock', currentDatabase(), splits_local, 0);

CREATE TABLE IF NOT EXISTS referrers_local (
    domain     String,
    kind       LowCardinality(String),  -- search, social, …, internal
    subdomains Bool                     -- whether its subdomains are of this kind
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
ORDER BY domain
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS referrers AS referrers_local
ENGINE = Distributed('o''clock', currentDatabase(), referrers_local, 0);

CREATE TABLE IF NOT EXISTS referrers_version_local (
    version String
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
ORDER BY tuple()
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS referrers_version AS referrers_version_local
ENGINE = Distributed('o''clock', currentDatabase(), referrers_version_local, 0);

CREATE TABLE IF NOT EXISTS library_local (
    kind       LowCardinality(String),
    id         String,
    site_id    Nullable(String),        -- NULL: every site
    body       String,
    created_at Int64,                   -- microseconds since 1970
    updated_at Int64,
    version    UInt64,
    gone       UInt8
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version, gone)
ORDER BY (kind, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS library AS library_local
ENGINE = Distributed('o''clock', currentDatabase(), library_local, 0);

CREATE TABLE IF NOT EXISTS shares_local (
    id           String,
    board_id     String,
    name         String,
    digest       String,                -- of the token, in hexadecimal digits
    created_at   Int64,
    expires_at   Nullable(Int64),
    last_used_at Nullable(Int64),
    version      UInt64,
    gone         UInt8
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version, gone)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS shares AS shares_local
ENGINE = Distributed('o''clock', currentDatabase(), shares_local, 0);

ALTER TABLE blocks_local ADD COLUMN IF NOT EXISTS erased Int64 DEFAULT 0;

ALTER TABLE blocks ADD COLUMN IF NOT EXISTS erased Int64 DEFAULT 0;

ALTER TABLE ledger_folded_local ADD COLUMN IF NOT EXISTS erased Int64 DEFAULT 0;

ALTER TABLE ledger_folded ADD COLUMN IF NOT EXISTS erased Int64 DEFAULT 0;

CREATE TABLE IF NOT EXISTS erasure_keys_local (
    key     String,
    made_at DateTime64(6, 'UTC')
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
ORDER BY made_at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS erasure_keys AS erasure_keys_local
ENGINE = Distributed('o''clock', currentDatabase(), erasure_keys_local, 0);

CREATE TABLE IF NOT EXISTS tombstones_local (
    site_id   String,
    digest    String,                   -- keyed hash of site and user id
    erased_at DateTime64(6, 'UTC'),     -- events that were received until then are not stored
    until     DateTime64(6, 'UTC'),     -- nor are those that happened until then
    blocked   Bool                      -- nor any other
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
ORDER BY (site_id, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS tombstones AS tombstones_local
ENGINE = Distributed('o''clock', currentDatabase(), tombstones_local, 0);

CREATE TABLE IF NOT EXISTS erasures_local (
    id           String,
    site_id      String,
    digest       String,                -- of the id that was given
    erased_at    DateTime64(6, 'UTC'),
    until        DateTime64(6, 'UTC'),
    blocked      Bool,
    ids          Int64,
    events       Int64,
    sessions     Int64,
    dead_letters Int64,
    first        Nullable(DateTime64(6, 'UTC')),    -- event times; NULL: there was no event
    last         Nullable(DateTime64(6, 'UTC')),
    done         UInt8
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', done)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS erasures AS erasures_local
ENGINE = Distributed('o''clock', currentDatabase(), erasures_local, 0);

CREATE TABLE IF NOT EXISTS erasing_local (
    erasure String,
    site_id String,
    user_id String,
    since   DateTime64(6, 'UTC')
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
ORDER BY (erasure, site_id, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS erasing AS erasing_local
ENGINE = Distributed('o''clock', currentDatabase(), erasing_local, 0);

CREATE TABLE IF NOT EXISTS retention_rules_local (
    site_id String,
    days    Nullable(Int32),            -- NULL: for ever
    version UInt64,
    gone    UInt8
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version, gone)
ORDER BY site_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS retention_rules AS retention_rules_local
ENGINE = Distributed('o''clock', currentDatabase(), retention_rules_local, 0);

ALTER TABLE events_local ADD COLUMN IF NOT EXISTS origin LowCardinality(String) MATERIALIZED if(
    multiSearchAny(properties, ['"utm_', '"$ad_click"', '"$referring_domain"', '"$host"', '\\']),
    replaceOne(toJSONString(arrayMap(
        json -> multiIf(
            json IN ('', 'null'), NULL,
            startsWith(json, '"\\u0000'), substring(json, 8, length(json) - 8),
            startsWith(json, '"') AND position(json, '\\') = 0, substring(json, 2, length(json) - 2),
            startsWith(json, '"'), JSONExtractString(concat('[', json, ']'), 1),
            replaceRegexpAll(json, '"\\\\u0000([^"]*)"', '\\1')),
        arrayMap(
            key -> (JSONExtractKeysAndValuesRaw(if(readable = '', properties, readable)) AS origin_pairs).2[
                indexOf(origin_pairs.1, key)],
            ['utm_source', 'utm_medium', 'utm_campaign', '$ad_click', '$referring_domain', '$host']))),
        '[null,null,null,null,null,null]', ''),
    '') CODEC(ZSTD(1));

ALTER TABLE events ADD COLUMN IF NOT EXISTS origin LowCardinality(String) MATERIALIZED if(
    multiSearchAny(properties, ['"utm_', '"$ad_click"', '"$referring_domain"', '"$host"', '\\']),
    replaceOne(toJSONString(arrayMap(
        json -> multiIf(
            json IN ('', 'null'), NULL,
            startsWith(json, '"\\u0000'), substring(json, 8, length(json) - 8),
            startsWith(json, '"') AND position(json, '\\') = 0, substring(json, 2, length(json) - 2),
            startsWith(json, '"'), JSONExtractString(concat('[', json, ']'), 1),
            replaceRegexpAll(json, '"\\\\u0000([^"]*)"', '\\1')),
        arrayMap(
            key -> (JSONExtractKeysAndValuesRaw(if(readable = '', properties, readable)) AS origin_pairs).2[
                indexOf(origin_pairs.1, key)],
            ['utm_source', 'utm_medium', 'utm_campaign', '$ad_click', '$referring_domain', '$host']))),
        '[null,null,null,null,null,null]', ''),
    '') CODEC(ZSTD(1));

ALTER TABLE events_local MATERIALIZE COLUMN origin SETTINGS mutations_sync = 0;

ALTER TABLE retention_rules_local ADD COLUMN IF NOT EXISTS keep_rollups Nullable(Bool);

ALTER TABLE retention_rules ADD COLUMN IF NOT EXISTS keep_rollups Nullable(Bool);

CREATE TABLE IF NOT EXISTS session_parts_local (
    build        UInt64                 CODEC(LZ4),
    site_id      LowCardinality(String),
    session_key  UInt128                CODEC(LZ4),     -- a hash of site and session_id
    first_at     DateTime64(6, 'UTC')   CODEC(T64, LZ4),
    last_at      DateTime64(6, 'UTC')   CODEC(T64, LZ4),
    events       UInt32                 CODEC(T64, LZ4),
    pages        UInt32                 CODEC(T64, LZ4),
    leaves       UInt32                 CODEC(T64, LZ4),
    bot_events   UInt32                 CODEC(T64, LZ4),
    entry_order  UInt128                CODEC(ZSTD(1)), -- places of the entry and the exit event among all of the session
    exit_order   UInt128                CODEC(ZSTD(1)),
    entry_path   String                 CODEC(ZSTD(1)), -- '=' and the path; empty: the event has none
    exit_path    String                 CODEC(ZSTD(1)),
    entry_name   LowCardinality(String),
    entry_source LowCardinality(String),
    entry_origin LowCardinality(String)
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}')
PARTITION BY build
ORDER BY (site_id, first_at, session_key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS session_parts AS session_parts_local
ENGINE = Distributed('o''clock', currentDatabase(), session_parts_local, cityHash64(session_key));

CREATE TABLE IF NOT EXISTS session_days_local (
    day         Date,
    build       UInt64,                 -- 0: none
    parts       String,                 -- a hash of the parts of `events` that the build was made of, see sql/session_days.sql
    content     String,                 -- a hash of the day's events
    sessions    Int64,                  -- rows of the build
    rules       String,                 -- a hash of the statement that made it
    built_at    DateTime64(6, 'UTC'),
    version     UInt64
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}/{shard}', '{replica}', version)
ORDER BY day
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS session_days AS session_days_local
ENGINE = Distributed('o''clock', currentDatabase(), session_days_local, 0);

ALTER TABLE events_local MODIFY COLUMN readable String DEFAULT if(
    match(properties, '[:,[][ \\t\\n\\r]*(?:-0|-?(?:[0-9]+\\.0+[^0-9]|[0-9.]+[eE]|[0-9.]{17}))'),
    arrayStringConcat(arrayMap(
        (place, part, number) ->
            if(place = 1, part, concat('"\\u0000', number, '"', substring(part, position(part, '\x02') + 1))),
        arrayEnumerate(
            splitByChar('\x01', replaceAll(
                replaceRegexpAll(properties, '("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][0-9.eE+-]*)', '\\1\x01\\2\x02'),
                '\x01\x02', '')) AS parts),
        parts,
        arrayMap(
            (digits, double) -> multiIf(
                NOT match(digits, '[.eE]'), if(digits = '-0', '0', digits),
                double IS NULL OR isInfinite(double), digits,
                match(toString(assumeNotNull(double)), '[.e]'), toString(assumeNotNull(double)),
                concat(toString(assumeNotNull(double)), '.0')),
            arrayMap(part -> substring(part, 1, greatest(position(part, '\x02'), 1) - 1), parts) AS numbers,
            arrayMap(digits -> JSONExtract(concat('[', digits, ']'), 1, 'Nullable(Float64)'), numbers)))),
    '') CODEC(ZSTD(1));

ALTER TABLE events MODIFY COLUMN readable String DEFAULT if(
    match(properties, '[:,[][ \\t\\n\\r]*(?:-0|-?(?:[0-9]+\\.0+[^0-9]|[0-9.]+[eE]|[0-9.]{17}))'),
    arrayStringConcat(arrayMap(
        (place, part, number) ->
            if(place = 1, part, concat('"\\u0000', number, '"', substring(part, position(part, '\x02') + 1))),
        arrayEnumerate(
            splitByChar('\x01', replaceAll(
                replaceRegexpAll(properties, '("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][0-9.eE+-]*)', '\\1\x01\\2\x02'),
                '\x01\x02', '')) AS parts),
        parts,
        arrayMap(
            (digits, double) -> multiIf(
                NOT match(digits, '[.eE]'), if(digits = '-0', '0', digits),
                double IS NULL OR isInfinite(double), digits,
                match(toString(assumeNotNull(double)), '[.e]'), toString(assumeNotNull(double)),
                concat(toString(assumeNotNull(double)), '.0')),
            arrayMap(part -> substring(part, 1, greatest(position(part, '\x02'), 1) - 1), parts) AS numbers,
            arrayMap(digits -> JSONExtract(concat('[', digits, ']'), 1, 'Nullable(Float64)'), numbers)))),
    '') CODEC(ZSTD(1));

ALTER TABLE events_local MODIFY COLUMN origin LowCardinality(String) DEFAULT if(
    multiSearchAny(properties, ['"utm_', '"$ad_click"', '"$referring_domain"', '"$host"', '\\']),
    replaceOne(toJSONString(arrayMap(
        json -> multiIf(
            json IN ('', 'null'), NULL,
            startsWith(json, '"\\u0000'), substring(json, 8, length(json) - 8),
            startsWith(json, '"') AND position(json, '\\') = 0, substring(json, 2, length(json) - 2),
            startsWith(json, '"'), JSONExtractString(concat('[', json, ']'), 1),
            replaceRegexpAll(json, '"\\\\u0000([^"]*)"', '\\1')),
        arrayMap(
            key -> (JSONExtractKeysAndValuesRaw(if(readable = '', properties, readable)) AS origin_pairs).2[
                indexOf(origin_pairs.1, key)],
            ['utm_source', 'utm_medium', 'utm_campaign', '$ad_click', '$referring_domain', '$host']))),
        '[null,null,null,null,null,null]', ''),
    '') CODEC(ZSTD(1));

ALTER TABLE events MODIFY COLUMN origin LowCardinality(String) DEFAULT if(
    multiSearchAny(properties, ['"utm_', '"$ad_click"', '"$referring_domain"', '"$host"', '\\']),
    replaceOne(toJSONString(arrayMap(
        json -> multiIf(
            json IN ('', 'null'), NULL,
            startsWith(json, '"\\u0000'), substring(json, 8, length(json) - 8),
            startsWith(json, '"') AND position(json, '\\') = 0, substring(json, 2, length(json) - 2),
            startsWith(json, '"'), JSONExtractString(concat('[', json, ']'), 1),
            replaceRegexpAll(json, '"\\\\u0000([^"]*)"', '\\1')),
        arrayMap(
            key -> (JSONExtractKeysAndValuesRaw(if(readable = '', properties, readable)) AS origin_pairs).2[
                indexOf(origin_pairs.1, key)],
            ['utm_source', 'utm_medium', 'utm_campaign', '$ad_click', '$referring_domain', '$host']))),
        '[null,null,null,null,null,null]', ''),
    '') CODEC(ZSTD(1));

ALTER TABLE events_local MODIFY COLUMN event_id CODEC(NONE),
    MODIFY COLUMN name CODEC(ZSTD(1)),
    MODIFY COLUMN user_id CODEC(ZSTD(3)),
    MODIFY COLUMN session_id CODEC(ZSTD(3)),
    MODIFY COLUMN source CODEC(ZSTD(1)),
    MODIFY COLUMN line CODEC(T64, ZSTD(1)),
    MODIFY COLUMN user_key CODEC(ZSTD(1));

ALTER TABLE events MODIFY COLUMN event_id CODEC(NONE),
    MODIFY COLUMN name CODEC(ZSTD(1)),
    MODIFY COLUMN user_id CODEC(ZSTD(3)),
    MODIFY COLUMN session_id CODEC(ZSTD(3)),
    MODIFY COLUMN source CODEC(ZSTD(1)),
    MODIFY COLUMN line CODEC(T64, ZSTD(1)),
    MODIFY COLUMN user_key CODEC(ZSTD(1));

ALTER TABLE events_local MODIFY SETTING min_compress_block_size = 524288;

ALTER TABLE session_parts_local MODIFY COLUMN entry_name CODEC(ZSTD(1)),
    MODIFY COLUMN entry_source CODEC(ZSTD(1)),
    MODIFY COLUMN entry_origin CODEC(ZSTD(1));

ALTER TABLE session_parts MODIFY COLUMN entry_name CODEC(ZSTD(1)),
    MODIFY COLUMN entry_source CODEC(ZSTD(1)),
    MODIFY COLUMN entry_origin CODEC(ZSTD(1));

ALTER TABLE events_local MODIFY COLUMN user_id CODEC(ZSTD(1)),
    MODIFY COLUMN session_id CODEC(ZSTD(1));

ALTER TABLE events MODIFY COLUMN user_id CODEC(ZSTD(1)),
    MODIFY COLUMN session_id CODEC(ZSTD(1));

ALTER TABLE recent_ids_local MODIFY SETTING auto_statistics_types = '';

ALTER TABLE events_local MODIFY SETTING auto_statistics_types = '';

-- Instants are DateTime64(6, 'UTC'), microseconds. Every table flushes what it is given to disk before it answers (G3:
-- the acknowledgement deletes the block from the queue).
--
-- ClickHouse has no transactions across tables, and an insert may stop after some of its partitions. So each table has
-- the row's identity as its key, an insert that is repeated gives the same rows, and queries read the tables FINAL. A
-- migration that stopped in the middle runs again.

-- The first write of an identity wins: `version` gets smaller with time. The key begins with what queries select by.
CREATE TABLE IF NOT EXISTS events (
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
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (site_id, timestamp, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- The identities that arrived within the dedupe window, as hashes, and the time that each is stored under (G2: the same
-- identity at another time). A row only says where to look: it may stand for an event that was not stored, or is gone.
CREATE TABLE IF NOT EXISTS recent_ids (
    hash        UInt64                  CODEC(LZ4),     -- cityHash64 of site and event id
    timestamp   DateTime64(6, 'UTC')    CODEC(T64, LZ4),
    received_at DateTime64(6, 'UTC')    CODEC(T64, LZ4),
    stored_at   DateTime64(6, 'UTC')    CODEC(T64, LZ4)
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY hash
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- The ledger: what became of each block. Old, complete prefixes of an ingester are compacted into ledger_folded.
-- `stored` of a settled block is a fact. That of any other is what its worker expects: another worker may have stored
-- the same event at the same instant, so the events that name the block are counted instead.
CREATE TABLE IF NOT EXISTS blocks (
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
) ENGINE = ReplacingMergeTree(version)
ORDER BY (ingester, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Sums of compacted blocks. Rows of `blocks` below `folded` (the column's historical name) do not count any more.
CREATE TABLE IF NOT EXISTS ledger_folded (
    ingester   String,
    folded     Int64,
    count      Int64,
    stored     Int64,
    duplicates Int64,
    conflicts  Int64,
    dead       Int64,
    loaded_at  DateTime64(6, 'UTC')     -- of the newest of these blocks
) ENGINE = ReplacingMergeTree(folded)
ORDER BY ingester
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS dead_letters (
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
) ENGINE = ReplacingMergeTree(version)
ORDER BY (ingester, seq, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Events that were removed, so that the books still close. A row is written before the events go, with what is to go,
-- and again as done: what stopped in between can be finished.
CREATE TABLE IF NOT EXISTS removals (
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
) ENGINE = ReplacingMergeTree(done)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Sites that may have events of bots. A row stays when its events are gone: it is never wrong, only slower than none.
CREATE TABLE IF NOT EXISTS bot_sites (
    site_id String
) ENGINE = ReplacingMergeTree
ORDER BY site_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Which other id an id was joined to by the earliest event about it, and whose events it therefore counts among.
-- docs/use/identity.md has the rules.
CREATE TABLE IF NOT EXISTS identities (
    site_id   String,
    user_id   String,                   -- the id that was joined
    linked_to String,
    linked_at DateTime64(6, 'UTC'),     -- the time of the event that did it
    event_id  UUID,
    person_id String,                   -- the end of the chain
    version   UInt64,
    gone      UInt8
) ENGINE = ReplacingMergeTree(version, gone)
ORDER BY (site_id, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Joins of an id at or before this time do not count.
CREATE TABLE IF NOT EXISTS splits (
    site_id  String,
    user_id  String,                    -- the id that was joined
    split_at DateTime64(6, 'UTC'),      -- event time
    version  UInt64,
    gone     UInt8
) ENGINE = ReplacingMergeTree(version, gone)
ORDER BY (site_id, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Which kind of site a domain is, for the channels of sessions. Filled when the store is opened.
CREATE TABLE IF NOT EXISTS referrers (
    domain     String,
    kind       LowCardinality(String),  -- search, social, …, internal
    subdomains Bool                     -- whether its subdomains are of this kind
) ENGINE = ReplacingMergeTree
ORDER BY domain
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS referrers_version (
    version String
) ENGINE = ReplacingMergeTree
ORDER BY tuple()
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Saved reports and boards, and their share links; see store/library.py.
CREATE TABLE IF NOT EXISTS library (
    kind       LowCardinality(String),
    id         String,
    site_id    Nullable(String),        -- NULL: every site
    body       String,
    created_at Int64,                   -- microseconds since 1970
    updated_at Int64,
    version    UInt64,
    gone       UInt8
) ENGINE = ReplacingMergeTree(version, gone)
ORDER BY (kind, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS shares (
    id           String,
    board_id     String,
    name         String,
    digest       String,                -- of the token, in hexadecimal digits
    created_at   Int64,
    expires_at   Nullable(Int64),
    last_used_at Nullable(Int64),
    version      UInt64,
    gone         UInt8
) ENGINE = ReplacingMergeTree(version, gone)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

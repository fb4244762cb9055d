-- Instants are timestamptz, microseconds. Texts compare by code point: every text column is COLLATE "C".

CREATE TABLE events (
    event_id    uuid        NOT NULL,
    site_id     text        COLLATE "C" NOT NULL,
    name        text        COLLATE "C" NOT NULL,
    timestamp   timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    user_id     text        COLLATE "C",
    session_id  text        COLLATE "C",
    source      text        COLLATE "C" NOT NULL,
    path        text        COLLATE "C",
    properties  json        NOT NULL    -- as the client wrote it; of a key that stands twice only the first is kept
) PARTITION BY RANGE (timestamp);       -- one partition a UTC day, made by the loader: there is no default partition

-- It answers every question about a site's events between two instants, in order of time, and
-- keeps G2: the same identity at the same time is stored once forever. The time stands before the id, so that new events
-- are added at the index's end, whatever their ids are.
CREATE UNIQUE INDEX events_identity ON events (site_id, timestamp, event_id);

-- One user's events. In 10 million of 30 days their first hundred are found in 4 ms, without it in 400 to 2,000. With the
-- time behind the user it would save another 2 ms, and be four times as large.
CREATE INDEX events_user ON events (user_id);

-- The identities that arrived within the dedupe window, and the time that each is stored under (G2: the same identity at
-- another time). Two workers that store the same event wait for each other here. Random ids dirty a page of the index
-- each, which would have to be logged whole after each checkpoint: so it is not logged, and built anew from `events`
-- when PostgreSQL emptied it after a crash; see recent.py.
CREATE UNLOGGED TABLE recent_ids (
    event_id    uuid        NOT NULL,
    site_id     text        COLLATE "C" NOT NULL,
    timestamp   timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, site_id)
);

-- One row, which vanishes together with the rows of recent_ids. Not there: recent_ids has to be built anew.
CREATE UNLOGGED TABLE recent_state (
    swept_at timestamptz NOT NULL       -- when what is older than the window was last removed
);
INSERT INTO recent_state VALUES (now());

-- Counts per quarter hour (every time zone's buckets are made of these). Appended deltas: always SUM.
CREATE TABLE rollup (
    site_id       text        COLLATE "C" NOT NULL,
    bucket        timestamptz NOT NULL,
    name          text        COLLATE "C" NOT NULL,
    source        text        COLLATE "C" NOT NULL,
    events        bigint      NOT NULL,
    last_received timestamptz NOT NULL
);
-- For questions about a site's days.
CREATE INDEX rollup_site ON rollup (site_id, bucket);
-- For compacting, verifying and purging a day of all sites; costs next to nothing.
CREATE INDEX rollup_day ON rollup USING brin (bucket) WITH (autosummarize = on);

-- Who was seen in a quarter hour. Rows may repeat until compacted: always DISTINCT.
CREATE TABLE people (
    site_id text        COLLATE "C" NOT NULL,
    bucket  timestamptz NOT NULL,
    user_id text        COLLATE "C" NOT NULL
);
-- For questions about a site's days, and for appending who is not there yet.
CREATE INDEX people_site ON people (site_id, bucket, user_id);
-- As that of rollup.
CREATE INDEX people_day ON people USING brin (bucket) WITH (autosummarize = on);

-- Who was seen on a UTC day: unique users of whole days without a row for each of their quarter hours.
CREATE TABLE people_days (
    site_id text        COLLATE "C" NOT NULL,
    day     date        NOT NULL,
    user_id text        COLLATE "C" NOT NULL,
    PRIMARY KEY (site_id, day, user_id)
);

-- How many rows were appended to a day of a rollup since it was compacted: one row a batch, always SUM.
CREATE TABLE appended (
    name text        NOT NULL,
    day  timestamptz NOT NULL,
    rows bigint      NOT NULL
);

-- How many rows a day of a rollup had after it was last compacted.
CREATE TABLE compactions (
    name text        NOT NULL,
    day  timestamptz NOT NULL,
    rows bigint      NOT NULL,
    PRIMARY KEY (name, day)
);

-- The ledger: what became of each block. Old, complete prefixes of an ingester are folded into ledger_folded.
CREATE TABLE blocks (
    ingester   text        COLLATE "C" NOT NULL,
    seq        bigint      NOT NULL,
    count      bigint      NOT NULL,
    stored     bigint      NOT NULL,
    duplicates bigint      NOT NULL,
    conflicts  bigint      NOT NULL,    -- duplicates whose payload differs; part of duplicates
    dead       bigint      NOT NULL,
    loaded_at  timestamptz NOT NULL,
    PRIMARY KEY (ingester, seq)         -- a block is stored once
);
-- When the newest batch was stored, which every answer says, and what is old enough to be folded.
CREATE INDEX blocks_loaded ON blocks (loaded_at);

CREATE TABLE ledger_folded (
    ingester   text        COLLATE "C" NOT NULL PRIMARY KEY,
    folded     bigint      NOT NULL,    -- all blocks with seq < folded are in this sum
    count      bigint      NOT NULL,
    stored     bigint      NOT NULL,
    duplicates bigint      NOT NULL,
    conflicts  bigint      NOT NULL,
    dead       bigint      NOT NULL,
    loaded_at  timestamptz NOT NULL     -- of the newest of these blocks
);

CREATE TABLE dead_letters (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ingester text        COLLATE "C" NOT NULL,
    seq      bigint      NOT NULL,
    index    integer     NOT NULL,      -- place in the block; -1: the block itself is broken
    original bytea       NOT NULL,
    code     text        NOT NULL,
    reason   text        NOT NULL,
    events   bigint      NOT NULL,      -- how many events it stands for
    attempts integer     NOT NULL,
    dead_at  timestamptz NOT NULL,
    state    text        NOT NULL       -- dead, replayed, dropped
);

-- What retention removed, so that the books still close.
CREATE TABLE purges (
    purged_at timestamptz NOT NULL,
    before    timestamptz NOT NULL,
    events    bigint      NOT NULL
);

-- Properties are read as docs/use/query.md says. `json` keeps the client's own spelling, so what a question groups and
-- compares by is made here: numbers as the shortest text of their double, arrays and objects without white space and
-- needless escapes. None of these functions raises an error, whatever the JSON is.

-- A JSON number as a double: infinite beyond the range of one, zero when it is too small for one. Casting would fail.
CREATE FUNCTION json_double(number text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    parts    text[] := regexp_match(number, '^(-?)([0-9]+)\.?([0-9]*)[eE]?([-+]?)0*([0-9]*)$');
    digits   text   := ltrim(parts[2] || parts[3], '0');
    exponent bigint := parts[4] || left('0' || parts[5], 12);               -- a longer one is beyond anything
    power    bigint := exponent + length(digits) - length(parts[3]);        -- the value is 0.<digits> times ten to this
    scaled   text;
BEGIN
    IF digits = '' OR power < -330 THEN
        RETURN parts[1] || '0';
    ELSIF power > 309 THEN
        RETURN parts[1] || 'Infinity';
    END IF;
    -- No more than 800 digits decide which double is the nearest; a 1 stands for those left out.
    scaled := '0.' || left(digits, 800) || CASE WHEN length(digits) > 800 THEN '1' ELSE '' END || 'e' || power;
    IF power > 308 AND scaled::numeric >= 1.7976931348623158079e308 THEN
        RETURN parts[1] || 'Infinity';
    ELSIF power < -322 AND scaled::numeric <= 2.47032822920623273e-324 THEN
        RETURN parts[1] || '0';
    END IF;
    RETURN parts[1] || scaled;
END $$;

-- A JSON number's text: of a whole number its digits, of any other the fewest that give the same double.
CREATE FUNCTION json_number_text(number text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    value   double precision;
    parts   text[];
    digits  text;
    shorter numeric;
    point   integer;    -- the value is 0.<digits> times ten to this
BEGIN
    IF number !~ '[.eE]' THEN
        RETURN CASE number WHEN '-0' THEN '0' ELSE number END;
    END IF;
    value := json_double(number);
    IF abs(value) = 'Infinity' THEN
        RETURN number;
    ELSIF value = 0 THEN
        RETURN CASE WHEN number LIKE '-%' THEN '-0.0' ELSE '0.0' END;
    END IF;
    parts := regexp_match(value::text, '^(-?)([0-9]+)\.?([0-9]*)e?(.*)$');
    digits := ltrim(parts[2] || parts[3], '0');
    point := length(digits) - length(parts[3]) + coalesce(nullif(parts[4], ''), '0')::integer;
    digits := rtrim(digits, '0');
    -- PostgreSQL writes some large numbers with more digits than they need.
    WHILE abs(value) BETWEEN 2 ^ 53 AND 1e300 AND length(digits) > 1 LOOP
        shorter := round(('0.' || digits)::numeric, length(digits) - 1);
        EXIT WHEN (parts[1] || shorter || 'e' || point)::double precision <> value;
        point := point + (shorter = 1)::integer;
        digits := CASE shorter WHEN 1 THEN '1' ELSE rtrim(substr(shorter::text, 3), '0') END;
    END LOOP;
    RETURN parts[1] || CASE
        WHEN point NOT BETWEEN -5 AND 21
        THEN rtrim(left(digits, 1) || '.' || substr(digits, 2), '.') || 'e' || point - 1
        WHEN point <= 0 THEN '0.' || repeat('0', -point) || digits
        WHEN point >= length(digits) THEN rpad(digits, point, '0') || '.0'
        ELSE left(digits, point) || '.' || substr(digits, point + 1)
    END;
END $$;

-- A text as a JSON string: with its quotes, escaped where JSON demands it, the escapes in capitals.
CREATE FUNCTION json_quoted(content text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    quoted text := to_json(content);
    code   text;
BEGIN
    IF strpos(quoted, '\u') = 0 THEN
        RETURN quoted;
    END IF;
    quoted := replace(quoted, '\\', chr(1));        -- so that every other backslash begins an escape
    FOREACH code IN ARRAY ARRAY['0b', '0e', '0f', '1a', '1b', '1c', '1d', '1e', '1f'] LOOP
        quoted := replace(quoted, '\u00' || code, '\u00' || upper(code));
    END LOOP;
    RETURN replace(quoted, chr(1), '\\');
END $$;

-- A JSON value's text, arrays and objects without white space.
CREATE FUNCTION json_compact(value json) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    CASE json_typeof(value)
        WHEN 'string' THEN RETURN json_quoted(value #>> '{}');
        WHEN 'number' THEN RETURN json_number_text(value::text);
        WHEN 'array', 'object' THEN
            IF value::text !~ '[[:space:]\\]|[0-9][.eE]|-0' THEN
                RETURN value;
            END IF;
        ELSE RETURN value;
    END CASE;
    IF json_typeof(value) = 'array' THEN
        RETURN '[' || coalesce((
            SELECT string_agg(json_compact(e.value), ',' ORDER BY e.place)
            FROM json_array_elements(value) WITH ORDINALITY AS e (value, place)
        ), '') || ']';
    END IF;
    RETURN '{' || coalesce((
        SELECT string_agg(json_quoted(e.key) || ':' || json_compact(e.value), ',' ORDER BY e.place)
        FROM json_each(value) WITH ORDINALITY AS e (key, value, place)
    ), '') || '}';
END $$;

-- A JSON value as text: a string's content, other values' JSON text; NULL for null.
CREATE FUNCTION json_text(value json) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE json_typeof(value) WHEN 'string' THEN value #>> '{}' WHEN 'null' THEN NULL ELSE json_compact(value) END;

-- What a question asks of a property. The planner puts these two expressions in place of their calls, so that usual
-- texts cost no call: one for each of ten million events would take several times as long as reading the property.
CREATE FUNCTION property_text(properties json, key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN properties ->> key ~ '^[-0-9[{]' THEN json_text(properties -> key) ELSE properties ->> key END;

CREATE FUNCTION property_number(properties json, key text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN json_typeof(properties -> key) IS DISTINCT FROM 'number' THEN NULL
    WHEN properties ->> key !~ '[eE]' AND length(properties ->> key) < 200
    THEN CAST(properties ->> key AS double precision)
    ELSE json_double(properties ->> key)
END;

-- A sum of doubles from two: that of the moderate ones, and that of the large ones, each divided by 2^64. PostgreSQL's own
-- fails where it is beyond a double; this one is NULL then.
CREATE FUNCTION whole_sum(moderate double precision, large double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN large IS NULL THEN moderate
    WHEN moderate IS NULL OR abs(moderate) < 1e200 THEN CASE WHEN abs(large) < 2 ^ 960 THEN large * 2 ^ 64 END
    WHEN abs(large + moderate / 2 ^ 64) < 2 ^ 960 THEN (large + moderate / 2 ^ 64) * 2 ^ 64
END;

-- The average that belongs to it. Dividing what is next to nothing would fail.
CREATE FUNCTION whole_mean(moderate double precision, large double precision, numbers bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN abs(whole_sum(moderate, large)) < 1e-280 THEN 0
    ELSE whole_sum(moderate, large) / nullif(numbers, 0)
END;

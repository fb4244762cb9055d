-- Counts by day of the values of a path or a frequent property, for breakdowns, which would read every event's JSON; and
-- how many users each hour has. Housekeeping makes both from events.

-- What is counted. The fields of one generation are counted together, up to the same watermark.
CREATE TABLE counted_fields (
    field      text     COLLATE "C" PRIMARY KEY,    -- `path`, or `properties.<key>`
    generation smallint NOT NULL,
    has_counts boolean  NOT NULL                    -- false: it has too many different values
);

-- How many events of a UTC day have a value: always SUM, each piece of events adds its own rows. For each field, the
-- counts of all values together, NULL among them, are all events.
CREATE TABLE value_counts (
    site_id  text       COLLATE "C" NOT NULL,
    day      date       NOT NULL,
    field    text       COLLATE "C" NOT NULL,
    name     text       COLLATE "C" NOT NULL,
    source   text       COLLATE "C" NOT NULL,
    bot      boolean    NOT NULL,
    value    text       COLLATE "C",                -- as `property_text` has it
    kind     smallint,                              -- 1: a string, 2: a number, 3: a boolean, 4: an array or an object
    events   bigint     NOT NULL,
    quarters smallint[] NOT NULL,                   -- the quarter hours with such events, from 0 to 95
    counts   integer[]  NOT NULL                    -- how many each of these has
);
CREATE INDEX value_counts_field ON value_counts (site_id, field, day);
-- For retention.
CREATE INDEX value_counts_day ON value_counts USING brin (day) WITH (autosummarize = on);

-- How many user ids an hour has; without a row: none.
CREATE TABLE hour_users (
    site_id text        COLLATE "C" NOT NULL,
    hour    timestamptz NOT NULL,
    users   bigint      NOT NULL,
    no_bots bigint      NOT NULL,                   -- of these, those with an event that is not a bot's
    PRIMARY KEY (site_id, hour)
);

-- Sessions put together ahead of time, of the events with a session_id that stand before `session_mark`: one row a
-- session. Filled by housekeeping (store/duckdb/upkeep/sessions.py); what stands behind the mark is added when a question is asked.

CREATE TABLE session_parts (
    site_id      VARCHAR   NOT NULL,
    session_id   VARCHAR   NOT NULL,
    started      TIMESTAMP NOT NULL,
    ended        TIMESTAMP NOT NULL,
    events       BIGINT    NOT NULL,
    pages        BIGINT    NOT NULL,    -- by the default `page_names`
    -- The entry event is the first page view, or the first event where there is none; the exit event likewise the last.
    entry_at     TIMESTAMP NOT NULL,
    entry_id     UUID      NOT NULL,
    exit_at      TIMESTAMP NOT NULL,
    exit_id      UUID      NOT NULL,
    entry_path   VARCHAR,
    entry_name   VARCHAR   NOT NULL,
    entry_source VARCHAR   NOT NULL,
    utm_source   VARCHAR,
    utm_medium   VARCHAR,
    utm_campaign VARCHAR,
    utm_term     VARCHAR,
    utm_content  VARCHAR,
    referrer     VARCHAR,               -- the referring domain as the entry event has it
    channel      VARCHAR   NOT NULL,
    exit_path    VARCHAR
);

-- At most one row: where the folded events end. Row numbers change when DuckDB removes purged rows, so the last folded
-- event is named too. `rules` tells by which rules channels were found.
CREATE TABLE session_mark (
    mark      BIGINT    NOT NULL,       -- all events with rowid < mark are in session_parts
    site_id   VARCHAR   NOT NULL,
    event_id  UUID      NOT NULL,
    timestamp TIMESTAMP NOT NULL,
    rules     VARCHAR   NOT NULL
);

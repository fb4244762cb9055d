-- The pages of folded sessions in their order, for questions about paths. The sessions are folded anew: by their mark's rules
-- they would be anyway.

DELETE FROM session_mark;
DROP TABLE session_parts;
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
    exit_path    VARCHAR,
    -- The page views' paths, those that repeat the one before left out; NULL: too many, or their order was not looked up.
    trail        VARCHAR[]
);

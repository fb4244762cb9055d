-- Rollups that stay when retention removes their events.

-- Counts of removed events per quarter hour. Appended: always SUM.
CREATE TABLE kept_rollup (
    site_id       VARCHAR   NOT NULL,
    bucket        TIMESTAMP NOT NULL,
    name          VARCHAR   NOT NULL,
    source        VARCHAR   NOT NULL,
    events        BIGINT    NOT NULL,
    last_received TIMESTAMP NOT NULL,
    bot           BOOLEAN   NOT NULL
);

-- How many users a site had on a UTC day whose events were removed. A day of which events came later has rows of several
-- removals; a user may then be counted in each.
CREATE TABLE kept_days (
    site_id VARCHAR   NOT NULL,
    day     TIMESTAMP NOT NULL,
    bot     BOOLEAN   NOT NULL,         -- all events of these users on this day are bots'
    users   BIGINT    NOT NULL,
    kept_at TIMESTAMP NOT NULL
);

ALTER TABLE retention_rules ADD COLUMN keep_rollups BOOLEAN;  -- null: as TALLYSTICK_RETENTION_ROLLUPS says

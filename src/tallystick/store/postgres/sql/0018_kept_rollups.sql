-- Rollups that stay when retention removes their events.

-- Counts of removed events per quarter hour. Appended: always SUM.
CREATE TABLE kept_rollup (
    site_id       text        COLLATE "C" NOT NULL,
    bucket        timestamptz NOT NULL,
    name          text        COLLATE "C" NOT NULL,
    source        text        COLLATE "C" NOT NULL,
    events        bigint      NOT NULL,
    last_received timestamptz NOT NULL,
    bot           boolean     NOT NULL
);
CREATE INDEX kept_rollup_site ON kept_rollup (site_id, bucket);

-- How many users a site had on a UTC day whose events were removed. A day of which events came later has rows of several
-- removals; a user may then be counted in each.
CREATE TABLE kept_days (
    site_id text        COLLATE "C" NOT NULL,
    day     timestamptz NOT NULL,
    bot     boolean     NOT NULL,       -- all events of these users on this day are bots'
    users   bigint      NOT NULL,
    kept_at timestamptz NOT NULL
);
CREATE INDEX kept_days_site ON kept_days (site_id, day);

ALTER TABLE retention_rules ADD COLUMN keep_rollups boolean;    -- null: as TALLYSTICK_RETENTION_ROLLUPS says

-- When each user did what, for funnels: their events of one name and UTC day as a list of times, by a number in the place
-- of the user's id. Housekeeping makes it from events.

CREATE TABLE user_numbers (
    user_id text    COLLATE "C" PRIMARY KEY,        -- whatever the site
    number  integer NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE
);

-- A piece of events adds rows of its own: a user may have several rows for a name and a day.
CREATE TABLE user_times (
    site_id     text          COLLATE "C" NOT NULL,
    day         date          NOT NULL,
    name        text          COLLATE "C" NOT NULL,
    user_number integer       NOT NULL,
    bot         boolean       NOT NULL,
    first       timestamptz   NOT NULL,
    more        timestamptz[]                       -- the other times, in order; NULL: there is one
);
CREATE INDEX user_times_name ON user_times (site_id, name, day);
-- For retention.
CREATE INDEX user_times_day ON user_times USING brin (day) WITH (autosummarize = on);

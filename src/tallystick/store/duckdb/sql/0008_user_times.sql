-- When each user did what, for funnels: their events of one name as a list of times, a piece of the table at a time.

CREATE TABLE user_times (
    site_id     VARCHAR   NOT NULL,
    name        VARCHAR   NOT NULL,
    user_number UINTEGER  NOT NULL,
    first       TIMESTAMP NOT NULL,
    more        TIMESTAMP[]             -- the other times, in order; NULL: there is one
);

-- As session_mark: all events with a user and rowid < mark are in user_times.
CREATE TABLE times_mark (
    mark      BIGINT    NOT NULL,
    site_id   VARCHAR   NOT NULL,
    event_id  UUID      NOT NULL,
    timestamp TIMESTAMP NOT NULL,
    rules     VARCHAR   NOT NULL
);

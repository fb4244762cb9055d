-- A number in the place of each user's id, for questions that only tell users apart. All is folded anew, which fills it.

CREATE TABLE user_numbers (
    user_id VARCHAR  NOT NULL,          -- whatever the site
    number  UINTEGER NOT NULL           -- from 1
);

-- Filled while nothing waits, for the events before session_mark; NULL behind it, and for those without a user.
ALTER TABLE events ADD COLUMN user_number UINTEGER;

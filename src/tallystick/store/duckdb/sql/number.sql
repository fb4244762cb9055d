-- Numbers in the place of users' ids: given while events are folded, forgotten when no event of a user is left.

-- name: new_numbers
-- The users of some rows who have no number yet.
INSERT INTO user_numbers
SELECT user_id, (SELECT coalesce(max(number), 0) FROM user_numbers) + row_number() OVER ()
FROM (SELECT DISTINCT user_id FROM events WHERE rowid >= $first AND rowid < $end AND user_id IS NOT NULL) AS seen
ANTI JOIN user_numbers USING (user_id);

-- name: fill
UPDATE events SET user_number = n.number FROM user_numbers n
WHERE n.user_id = events.user_id AND events.rowid >= $first AND events.rowid < $end;

-- name: purge
-- Users of whom a purge left no event.
DELETE FROM user_numbers USING (SELECT user_id FROM user_numbers EXCEPT SELECT user_id FROM people) AS gone
WHERE gone.user_id = user_numbers.user_id;

-- name: verify_users
-- How many there are, and how many ids or numbers are there twice.
SELECT count(*), 2 * count(*) - count(DISTINCT user_id) - count(DISTINCT number) FROM user_numbers;

-- name: verify_events
-- Events before the mark whose number is not their user's; a slice of the users at a time.
SELECT count(*) FROM (
    SELECT user_id, user_number FROM events WHERE rowid < $mark AND hash(user_id) % $slices = $slice
) AS e LEFT JOIN user_numbers n USING (user_id)
WHERE e.user_number IS DISTINCT FROM n.number;

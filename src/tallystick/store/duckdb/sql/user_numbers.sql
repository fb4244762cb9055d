-- User numbers: given while the session index is built, deleted when a purge leaves no event of a user.

-- name: new_numbers
-- Give numbers to the users of some rows who have none.
INSERT INTO user_numbers
SELECT user_id, (SELECT coalesce(max(number), 0) FROM user_numbers) + row_number() OVER ()
FROM (SELECT DISTINCT user_id FROM events WHERE rowid >= $first AND rowid < $end AND user_id IS NOT NULL) AS seen
ANTI JOIN user_numbers USING (user_id);

-- name: fill
-- Write the numbers into these rows, in their order: DuckDB keeps the updates of a vector sorted, so that rows in the
-- order in which a join with all users finds them take ten times as long.
UPDATE events SET user_number = numbered.number
FROM (
    SELECT events.rowid AS row, user_numbers.number FROM events JOIN user_numbers USING (user_id)
    WHERE events.rowid >= $first AND events.rowid < $end ORDER BY row
) AS numbered
WHERE numbered.row = events.rowid AND events.rowid >= $first AND events.rowid < $end;

-- name: purge
-- Delete users of whom a purge left no event.
DELETE FROM user_numbers USING (SELECT user_id FROM user_numbers EXCEPT SELECT user_id FROM people) AS gone
WHERE gone.user_id = user_numbers.user_id;

-- name: verify_users
-- Count the users, and the ids and numbers that are there twice.
SELECT count(*), 2 * count(*) - count(DISTINCT user_id) - count(DISTINCT number) FROM user_numbers;

-- name: verify_events
-- Count events below the watermark whose number is not their user's; for a slice of the users.
SELECT count(*) FROM (
    SELECT user_id, user_number FROM events WHERE rowid < $watermark AND hash(user_id) % $slices = $slice
) AS numbered LEFT JOIN user_numbers USING (user_id)
WHERE numbered.user_number IS DISTINCT FROM user_numbers.number;

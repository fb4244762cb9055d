-- No statistics of the events' columns: joins are written in the order in which they are cheap. Their parts get them when
-- they are inserted and merged.

ALTER TABLE events MODIFY SETTING auto_statistics_types = '';

-- Parallel workers may merge times: each makes whole lists, of its half of the persons. An aggregate is unsafe for them
-- unless it says otherwise, and then no part of its statement is parallel.

CREATE OR REPLACE AGGREGATE merged_times(timestamptz[]) (sfunc = merge_times, stype = timestamptz[], parallel = safe);

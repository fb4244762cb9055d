-- Sorted lists of times as one, for funnels: that of each row of `user_times` is sorted, and the rows of a user come in any
-- order. They are days or parts of one, so mostly one list lies wholly in a gap of the other. To sort both would start a
-- query for each row. The aggregate takes the first list as it is.

CREATE FUNCTION merge_times(one timestamptz[], other timestamptz[]) RETURNS timestamptz[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    before integer := width_bucket(other[1], one);      -- how many of `one` are not after the first of `other`
BEGIN
    IF before = cardinality(one) THEN
        RETURN one || other;
    ELSIF other[cardinality(other)] <= one[before + 1] THEN
        RETURN one[1 : before] || other || one[before + 1 :];
    END IF;
    RETURN ARRAY(SELECT at FROM unnest(one || other) AS at ORDER BY at);
END $$;

-- No `combinefunc`: parallel workers would make lists that interleave, and to sort those takes longer than it saves.
CREATE AGGREGATE merged_times(timestamptz[]) (sfunc = merge_times, stype = timestamptz[]);

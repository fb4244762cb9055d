WITH scoped AS (
    SELECT
        1
    FROM events
    WHERE site_id = {p1:String}
        AND (path = {p2:String} AND NOT coalesce((if((position(if(readable = '', properties, readable), concat('"', {p3:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p3:String}, 'Nullable(String)'), NULL) = {p4:String} AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p3:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p3:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p3:String}, 'Nullable(String)'), NULL), '\0'))), FALSE) AND if(match(JSONExtractRaw(if(readable = '', properties, readable), {p7:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) BETWEEN {p5:Float64} AND {p6:Float64} AND if(match(JSONExtractRaw(if(readable = '', properties, readable), {p7:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) BETWEEN {p8:Float64} AND {p9:Float64} AND user_id > {p10:String} AND ((if((position(if(readable = '', properties, readable), concat('"', {p11:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p11:String}, 'Nullable(String)'), NULL) IN ({p12:String}, {p13:String}) AND (startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p11:String}), '"') AND NOT startsWith(if((position(if(readable = '', properties, readable), concat('"', {p11:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p11:String}, 'Nullable(String)'), NULL), '\0'))) OR if(match(JSONExtractRaw(if(readable = '', properties, readable), {p11:String}), '^(?:[-0-9]|"\\\\u0000)'), coalesce(JSONExtract(if(readable = '', properties, readable), {p11:String}, 'Nullable(Float64)'), JSONExtract(concat('[', trimLeft(if((position(if(readable = '', properties, readable), concat('"', {p11:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p11:String}, 'Nullable(String)'), NULL), '\0'), ']'), 1, 'Nullable(Float64)'), if(startsWith(if((position(if(readable = '', properties, readable), concat('"', {p11:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p11:String}, 'Nullable(String)'), NULL), '\0-'), -inf, inf)), NULL) = {p14:Float64} OR JSONExtractRaw(if(readable = '', properties, readable), {p11:String}) = {p15:String}) AND event_id = {p16:UUID} AND (position(name, {p17:String}) > 0 OR session_id IS NOT NULL) AND 1 = 0 AND source IS NULL AND 1 = 0)
)
SELECT
    count(*) AS metric_0
FROM scoped

-- $1: 'default'
-- $2: '/a'
-- $3: 'plan'
-- $4: 'free'
-- $5: 10.000000000000002
-- $6: 1.7976931348623157e+308
-- $7: 'amount'
-- $8: -1.7976931348623157e+308
-- $9: 20.499999999999996
-- $10: 'm'
-- $11: 'mixed'
-- $12: 'a'
-- $13: 'b'
-- $14: 1.0
-- $15: 'true'
-- $16: '0198f1c2-0000-7000-8000-000000000001'
-- $17: 'buy'

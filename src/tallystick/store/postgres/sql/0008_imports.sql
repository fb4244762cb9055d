-- The events of an import carry its id as the property `$import`.

-- An event's properties without it, as they were written otherwise.
CREATE FUNCTION without_import(properties text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(properties, ',"\$import":"[^"]*"|"\$import":"[^"]*",?', '', 'g');

-- Whether an event came with an import. Most texts are ruled out without being parsed.
CREATE FUNCTION is_of_import(properties json, import_id text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN strpos(properties::text, '"$import"') > 0 AND properties ->> '$import' = import_id;

-- The events of an import carry its id as the property `$import`.

-- An event's properties without it, as they were written otherwise.
CREATE MACRO without_import(properties) AS
    regexp_replace(properties, ',"\$import":"[^"]*"|"\$import":"[^"]*",?', '', 'g');

-- Whether an event came with an import. Most texts are ruled out without being parsed.
CREATE MACRO is_of_import(properties, import_id) AS
    contains(properties, '"$import"') AND json_extract_string(properties, '/$import') = import_id;

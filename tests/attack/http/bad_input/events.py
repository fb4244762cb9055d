"""Values of an event's fields, and what each API answers to them."""

from __future__ import annotations

from tests.attack.http.bad_input.shapes import EventField, quoted

EVENTS: tuple[EventField, ...] = (
    EventField(
        "no name",
        "name",
        None,
        """
        own | 400 name_missing: name is required and must be a text of at least one character
        smolhog | 422 missing: body.events.0.event_name: Field required
        eventflux | 422 missing: body.events.0.event_type: Field required
        fast_worker | 400: Validation failed: event_type is required and must be a string
        backend | 400: "event_type" is required
        """,
    ),
    EventField(
        "an empty name",
        "name",
        '""',
        """
        own | 400 name_missing: name is required and must be a text of at least one character
        smolhog | 200
        eventflux | 422 string_too_short: body.events.0.event_type: String should have at least 1
        fast_worker | 400: Validation failed: event_type is required and must be a string
        backend | 400: "event_type" is not allowed to be empty
        """,
    ),
    EventField(
        "a name of white space",
        "name",
        '" \\t "',
        """
        own | 400 name_invalid: name must have a visible character and no control characters
        smolhog | 200
        eventflux | 422 string_too_short: body.events.0.event_type: String should have at least 1
        fast_worker | 400: Validation failed: name must have a visible character and no
        backend | 400: name must have a visible character and no control characters
        """,
    ),
    EventField(
        "a name that is null",
        "name",
        "null",
        """
        own | 400 name_missing: name is required and must be a text of at least one character
        smolhog | 422 string_type: body.events.0.event_name: Input should be a valid string
        eventflux | 422 string_type: body.events.0.event_type: Input should be a valid string
        fast_worker | 400: Validation failed: event_type is required and must be a string
        backend | 400: "event_type" must be a string
        """,
    ),
    EventField(
        "a name that is true",
        "name",
        "true",
        """
        own | 400 name_invalid: name must be a text
        smolhog | 422 string_type: body.events.0.event_name: Input should be a valid string
        eventflux | 422 string_type: body.events.0.event_type: Input should be a valid string
        fast_worker | 400: Validation failed: event_type is required and must be a string
        backend | 400: "event_type" must be a string
        """,
    ),
    EventField(
        "a name that is a list",
        "name",
        '["a"]',
        """
        own | 400 name_invalid: name must be a text
        smolhog | 422 string_type: body.events.0.event_name: Input should be a valid string
        eventflux | 422 string_type: body.events.0.event_type: Input should be a valid string
        fast_worker | 400: Validation failed: event_type is required and must be a string
        backend | 400: "event_type" must be a string
        """,
    ),
    EventField(
        "a name that is a number",
        "name",
        "1.50",
        """
        own | 202
        smolhog | 422 string_type: body.events.0.event_name: Input should be a valid string
        eventflux | 422 string_type: body.events.0.event_type: Input should be a valid string
        fast_worker | 400: Validation failed: event_type is required and must be a string
        backend | 400: "event_type" must be a string
        """,
    ),
    EventField(
        "a name with a line break",
        "name",
        '"a\\nb"',
        """
        own | 400 name_invalid: name must have a visible character and no control characters
        smolhog | 200
        eventflux | 422 value_error: body.events.0.event_type: name must have a visible character
        fast_worker | 400: Validation failed: name must have a visible character and no
        backend | 400: name must have a visible character and no control characters
        """,
    ),
    EventField(
        "a name with U+007F",
        "name",
        '"a\\u007fb"',
        """
        own | 400 name_invalid: name must have a visible character and no control characters
        smolhog | 200
        eventflux | 422 value_error: body.events.0.event_type: name must have a visible character
        fast_worker | 400: Validation failed: name must have a visible character and no
        backend | 400: name must have a visible character and no control characters
        """,
    ),
    EventField(
        "a name with NUL",
        "name",
        '"a\\u0000b"',
        """
        own, eventflux, fast_worker | 202
        smolhog, backend | 200
        """,
    ),
    EventField(
        "a name with half a surrogate pair",
        "name",
        '"a\\ud800b"',
        """
        own, eventflux, fast_worker | 202
        smolhog, backend | 200
        """,
    ),
    EventField(
        "a name of 256 characters",
        "name",
        quoted("a" * 256),
        """
        own | 400 name_too_long: name has 256 characters
        smolhog | 200
        eventflux | 422 string_too_long: body.events.0.event_type: String should have at most 128
        fast_worker | 400: Validation failed: event_type must not be longer than 100
        backend | 400: event_type must not be longer than 255 characters
        """,
    ),
    EventField(
        "a name of 60,000 characters",
        "name",
        quoted("é" * 60_000),
        """
        own | 400 name_too_long: name has 60000 characters
        smolhog | 200
        eventflux | 422 string_too_long: body.events.0.event_type: String should have at most 128
        fast_worker | 400: Validation failed: event_type must not be longer than 100
        backend | 400: event_type must not be longer than 255 characters
        """,
    ),
    EventField(
        "a name with a raw control character",
        "name",
        '"a\x01b"',
        """
        own | 400 invalid_request: JSON is malformed: invalid character
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        """,
    ),
    EventField(
        "a user of white space",
        "user",
        '" "',
        """
        own | 400 user_id_invalid: user_id must have a visible character and no control characters
        smolhog | 200
        eventflux | 422 string_too_short: body.events.0.actor_id: String should have at least 1 character
        fast_worker | 400: Validation failed: user_id must have a visible character and no
        backend | 400: user_id must have a visible character and no control characters
        """,
    ),
    EventField(
        "a user of 257 characters",
        "user",
        quoted("u" * 257),
        """
        own | 400 user_id_too_long: user_id has 257 characters
        smolhog | 200
        eventflux | 422 string_too_long: body.events.0.actor_id: String should have at most 256
        fast_worker | 400: Validation failed: user_id must not be longer than 255
        backend | 400: user_id must not be longer than 256 characters
        """,
    ),
    EventField(
        "a user that is an object",
        "user",
        '{"id":1}',
        """
        own | 400 user_id_invalid: user_id must be a text
        smolhog | 422 string_type: body.events.0.user_id: Input should be a valid string
        eventflux | 422 string_type: body.events.0.actor_id: Input should be a valid string
        fast_worker | 400: Validation failed: user_id must be a string
        backend | 400: "user_id" must be a string
        """,
    ),
    EventField(
        "the site of all sites",
        "site",
        '"*"',
        """
        own | 400 site_id_invalid: site_id cannot be *, which stands for every site
        fast_worker | 400: Validation failed: site_id cannot be *, which stands for every
        backend | 400: site_id cannot be *, which stands for every site
        """,
    ),
    EventField(
        "a site of control characters",
        "site",
        '"\\u0001"',
        """
        own | 400 site_id_invalid: site_id must have a visible character and no control characters
        fast_worker | 400: Validation failed: site_id must have a visible character and no
        backend | 400: site_id must have a visible character and no control characters
        """,
    ),
    EventField(
        "a site of 256 characters",
        "site",
        quoted("s" * 256),
        """
        own | 400 site_id_too_long: site_id has 256 characters
        fast_worker | 400: Validation failed: site_id must not be longer than 255
        backend | 400: site_id must not be longer than 255 characters
        """,
    ),
    EventField(
        "a site that is a list",
        "site",
        "[1]",
        """
        own | 400 site_id_invalid: site_id must be a text
        fast_worker | 400: Validation failed: site_id is required and must be a string
        backend | 400: "site_id" must be a string
        """,
    ),
    EventField(
        "a time in words",
        "time",
        '"soon"',
        """
        own | 400 timestamp_invalid: timestamp 'soon' is no ISO 8601 date and time, nor a number
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "30 February",
        "time",
        '"2026-02-30T00:00:00Z"',
        """
        own | 400 timestamp_invalid: timestamp '2026-02-30T00:00:00Z' is no ISO 8601 date and time,
        smolhog, backend | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 202
        """,
    ),
    EventField(
        "25 o'clock",
        "time",
        '"2026-01-01T25:00:00Z"',
        """
        own | 400 timestamp_invalid: timestamp '2026-01-01T25:00:00Z' is no ISO 8601 date and time,
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "second 60",
        "time",
        '"2026-01-01T00:00:60Z"',
        """
        own | 400 timestamp_invalid: timestamp '2026-01-01T00:00:60Z' is no ISO 8601 date and time,
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "year 0",
        "time",
        '"0000-01-01T00:00:00Z"',
        """
        own | 400 timestamp_invalid: timestamp '0000-01-01T00:00:00Z' is no ISO 8601 date and time,
        smolhog | 200
        eventflux | 422 datetime_parsing: body.events.0.timestamp: Input should be a valid datetime, year
        fast_worker | 400: Validation failed: timestamp '0000-01-01T00:00:00Z' is no ISO
        backend | 400: timestamp '0000-01-01T00:00:00Z' is no ISO 8601 date and time,
        """,
    ),
    EventField(
        "year 10000",
        "time",
        '"10000-01-01T00:00:00Z"',
        """
        own | 202
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "year 1 before UTC",
        "time",
        '"0001-01-01T00:00:00+14:00"',
        """
        own, eventflux, fast_worker | 202
        smolhog, backend | 200
        """,
    ),
    EventField(
        "a time of 1e400",
        "time",
        "1e400",
        """
        own | 400 timestamp_invalid: timestamp must be an ISO 8601 text or a number since 1970
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: Number out of range
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        """,
    ),
    EventField(
        "a time of 5,000 digits",
        "time",
        "9" * 5_000,
        """
        own | 400 timestamp_invalid: timestamp must be an ISO 8601 text or a number since 1970
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: Integer value out of range
        fast_worker | 400: Validation failed: body must be valid JSON
        backend | 400: body must be valid JSON
        """,
    ),
    EventField(
        "a text of 5,000 digits as time",
        "time",
        quoted("9" * 5_000),
        """
        own | 400 timestamp_invalid: timestamp
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "a time that is true",
        "time",
        "true",
        """
        own | 400 timestamp_invalid: timestamp must be an ISO 8601 text or a number since 1970
        smolhog | 422 string_type: body.events.0.timestamp: Input should be a valid string
        eventflux | 422 datetime_type: body.events.0.timestamp: Input should be a valid datetime
        fast_worker | 400: Validation failed: timestamp is required and must be a string
        backend | 400: "timestamp" must be a string
        """,
    ),
    EventField(
        "a time that is a list",
        "time",
        "[2026]",
        """
        own | 400 timestamp_invalid: timestamp must be an ISO 8601 text or a number since 1970
        smolhog | 422 string_type: body.events.0.timestamp: Input should be a valid string
        eventflux | 422 datetime_type: body.events.0.timestamp: Input should be a valid datetime
        fast_worker | 400: Validation failed: timestamp is required and must be a string
        backend | 400: "timestamp" must be a string
        """,
    ),
    EventField(
        "an offset of 99 hours",
        "time",
        '"2026-01-01T00:00:00+99:99"',
        """
        own | 400 timestamp_invalid: timestamp '2026-01-01T00:00:00+99:99' is no ISO 8601 date and
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "a zone on Mars",
        "time",
        '"2026-01-01 00:00:00 Mars/Olympus"',
        """
        own | 400 timestamp_invalid: timestamp '2026-01-01 00:00:00 Mars/Olympus' is no ISO 8601
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "a zone that is a file",
        "time",
        '"2026-01-01 00:00:00 ../../etc/passwd"',
        """
        own | 400 timestamp_invalid: timestamp '2026-01-01 00:00:00 ../../etc/passwd' is no ISO 8601
        smolhog | 200
        eventflux | 422 datetime_from_date_parsing: body.events.0.timestamp: Input should be a valid datetime or
        fast_worker | 400: Validation failed: timestamp must be a valid ISO 8601 date
        backend | 400: "timestamp" must be in iso format
        """,
    ),
    EventField(
        "properties that are a list",
        "properties",
        "[1]",
        """
        own | 400 properties_invalid: properties must be a JSON object
        smolhog | 422 dict_type: body.events.0.properties: Input should be a valid dictionary
        eventflux | 422 dict_type: body.events.0.attributes: Input should be a valid dictionary
        """,
    ),
    EventField(
        "properties that are a text",
        "properties",
        '"a"',
        """
        own | 400 properties_invalid: properties must be a JSON object
        smolhog | 422 dict_type: body.events.0.properties: Input should be a valid dictionary
        eventflux | 422 dict_type: body.events.0.attributes: Input should be a valid dictionary
        """,
    ),
    EventField(
        "properties nested 65 deep",
        "properties",
        '{"a":' * 65 + "1" + "}" * 65,
        """
        own | 400 too_deep: properties are nested deeper than 64 levels
        smolhog | 200
        eventflux | 422 value_error: body.events.0.attributes: properties are nested deeper than 64
        """,
    ),
    EventField(
        "properties nested 2,000 deep",
        "properties",
        '{"a":' * 2_000 + "1" + "}" * 2_000,
        """
        own | 400 invalid_request: nested too deeply
        smolhog, eventflux | 422 json_invalid: body: JSON is nested too deeply
        """,
    ),
    EventField(
        "properties of 70 KB",
        "properties",
        '{"a":"' + "x" * 70_000 + '"}',
        """
        own | 400 event_too_large: the event has 70173 bytes
        smolhog | 200
        eventflux | 422 value_error: body.events.0.attributes: the event has more than 70008 bytes
        """,
    ),
    EventField(
        "a property of 5,000 digits",
        "properties",
        '{"a":' + "9" * 5_000 + "}",
        """
        own, eventflux | 202
        smolhog | 200
        """,
    ),
    EventField(
        "a property of 1e400",
        "properties",
        '{"a":1e400}',
        """
        own, eventflux | 202
        smolhog | 200
        """,
    ),
    EventField(
        "a property of NaN",
        "properties",
        '{"a":NaN}',
        """
        own | 400 invalid_request: JSON is malformed: invalid character
        smolhog, eventflux | 422 json_invalid: body: JSON decode error: JSON is malformed: invalid character
        """,
    ),
    EventField(
        "a property that is there twice",
        "properties",
        '{"a":1,"a":2}',
        """
        own, eventflux | 202
        smolhog | 200
        """,
    ),
    EventField(
        "a property called NUL",
        "properties",
        '{"\\u0000":1}',
        """
        own, eventflux | 202
        smolhog | 200
        """,
    ),
    EventField(
        "a property called __proto__",
        "properties",
        '{"__proto__":{"admin":true},"constructor":1}',
        """
        own, eventflux | 202
        smolhog | 200
        """,
    ),
    EventField(
        "2,000 properties",
        "properties",
        "{" + ",".join(f'"k{n}":{n}' for n in range(2_000)) + "}",
        """
        own, eventflux | 202
        smolhog | 200
        """,
    ),
    EventField(
        "an id that is a list",
        "id",
        "[1]",
        """
        own | 400 event_id_invalid: event_id must be a text
        smolhog | 422 string_type: body.events.0.event_id: Input should be a valid string
        """,
    ),
    EventField(
        "an id that is SQL",
        "id",
        quoted("'; DROP TABLE events; --"),
        """
        own | 202
        smolhog | 200
        """,
    ),
    EventField(
        "an id of 513 characters",
        "id",
        quoted("i" * 513),
        """
        own | 400 event_id_too_long: event_id has 513 characters
        smolhog | 200
        """,
    ),
    EventField(
        "a path of 2,049 characters",
        "path",
        quoted("/" * 2_049),
        """
        own | 400 path_too_long: path has 2049 characters
        fast_worker | 400: Validation failed: path must not be longer than 1000 characters
        backend | 400: path must not be longer than 2048 characters
        """,
    ),
    EventField(
        "a path that is an object",
        "path",
        '{"a":1}',
        """
        own | 400 path_invalid: path must be a text
        fast_worker | 400: Validation failed: path must be a string
        backend | 400: "path" must be a string
        """,
    ),
    EventField(
        "a source of 65 characters",
        "source",
        quoted("s" * 65),
        """
        own | 400 source_too_long: source has 65 characters
        eventflux | 422 string_too_long: body.events.0.source: String should have at most 64 characters
        """,
    ),
)

"""Values of parameters of GET routes, and what each route answers to them."""

from __future__ import annotations

from tests.attack.http.bad_input.shapes import Parameter

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "a site of 5,000 characters",
        "site_id",
        b"a" * 5_000,
        """
        /api/stats, /stats | 400: site_id must not be longer than 255 characters
        others | 400 invalid_request: site_id: String should have at most 255 characters
        """,
    ),
    Parameter(
        "a site that is NUL",
        "site_id",
        b"%00",
        """
        /v1/reports, /v1/boards | 400 invalid_request: site_id: control characters are not allowed
        others | 200
        """,
    ),
    Parameter(
        "an empty site",
        "site_id",
        b"",
        """
        /v1/erasures, /v1/person-data | 400 invalid_request: site_id: String should have at least 1 character
        /api/stats | 400: site_id query parameter is required
        /stats | 400: site_id required
        others | 200
        """,
    ),
    Parameter(
        "a beginning in words",
        "since",
        b"soon",
        """
        /v1/rollups/days | 400 invalid_request: since: Input should be a valid date or datetime, input is too
        /v1/analytics/events/raw | 422 datetime_from_date_parsing: query.since: Input should be a valid datetime or
        others | 400 invalid_request: since: 'soon' is not an ISO 8601 instant, a date, or a time
        """,
    ),
    Parameter(
        "a beginning on 30 February",
        "since",
        b"2026-02-30",
        """
        /v1/rollups/days | 400 invalid_request: since: Input should be a valid date or datetime, day value is
        /v1/analytics/events/raw | 422 datetime_from_date_parsing: query.since: Input should be a valid datetime or
        others | 400 invalid_request: since: '2026-02-30' is not an ISO 8601 instant, a date, or a
        """,
    ),
    Parameter(
        "a beginning of 5,000 digits",
        "since",
        b"9" * 5_000,
        """
        /v1/rollups/days | 400 invalid_request: since: Input should be a valid date or datetime, invalid date
        /v1/analytics/events/raw | 422 datetime_from_date_parsing: query.since: Input should be a valid datetime or
        others | 400 invalid_request: since: String should have at most 64 characters
        """,
    ),
    Parameter(
        "a beginning 10^20 days ago",
        "since",
        b"99999999999999999999d",
        """
        /v1/rollups/days | 400 invalid_request: since: Input should be a valid date or datetime, invalid date
        /v1/analytics/events/raw | 422 datetime_from_date_parsing: query.since: Input should be a valid datetime or
        others | 400 invalid_request: since
        """,
    ),
    Parameter(
        "a beginning in year 0",
        "since",
        b"0000-01-01",
        """
        /v1/rollups/days | 400 invalid_request: since: Input should be a valid date in the format YYYY-MM-DD,
        /v1/analytics/events/raw | 422 datetime_parsing: query.since: Input should be a valid datetime, year 0 is
        others | 400 invalid_request: since: '0000-01-01' is not an ISO 8601 instant, a date, or a
        """,
    ),
    Parameter(
        "an end in bytes that are no text",
        "until",
        b"%ff%fe",
        """
        /v1/rollups/days | 400 invalid_request: until: Input should be a valid date or datetime, input is too
        /v1/analytics/events/raw | 422 datetime_from_date_parsing: query.until: Input should be a valid datetime or
        others | 400 invalid_request: until: '��' is not an ISO 8601 instant, a date, or a time span
        """,
    ),
    Parameter(
        "an end after year 9999",
        "until",
        b"9999-12-31T23:59:59.999999-14:00",
        """
        /v1/rollups/days | 400 invalid_request: until: Datetimes provided to dates should have zero time - e.g.
        /v1/analytics/events/raw | 400: since and until must lie in the years 1 to 9999
        others | 400 invalid_request: until: '9999-12-31T23:59:59.999999-14:00' is not an ISO 8601
        """,
    ),
    Parameter(
        "a time zone that climbs",
        "timezone",
        b"Europe/../Berlin",
        """
        others | 400 invalid_request: timezone: unknown time zone 'Europe/../Berlin': use an IANA
        """,
    ),
    Parameter(
        "a time zone that is a file",
        "timezone",
        b"../../etc/passwd",
        """
        others | 400 invalid_request: timezone: unknown time zone '../../etc/passwd': use an IANA
        """,
    ),
    Parameter(
        "a time zone of 5,000 characters",
        "timezone",
        b"a/" * 2_500,
        """
        others | 400 invalid_request: timezone: String should have at most 64 characters
        """,
    ),
    Parameter(
        "a time zone with NUL",
        "timezone",
        b"UTC%00",
        """
        others | 400 invalid_request: timezone: unknown time zone 'UTC\\x00': use an IANA name such as
        """,
    ),
    Parameter(
        "a time zone in another case",
        "timezone",
        b"EUROPE/berlin",
        """
        others | 400 invalid_request: timezone: unknown time zone 'EUROPE/berlin': use an IANA name
        """,
    ),
    Parameter(
        "a filter without an operator",
        "filter",
        b"name",
        """
        others | 400 invalid_request: filter: 'name' does not have the form field:op:value, such as
        """,
    ),
    Parameter(
        "a filter by a column that is none",
        "filter",
        b"received_at:=:x",
        """
        others | 400 invalid_request: filter.field: unknown field 'received_at': use one of name,
        """,
    ),
    Parameter(
        "a filter with another operator",
        "filter",
        b"name:~:(a%2B)%2B$",
        """
        others | 400 invalid_request: filter: 'name:~:(a+)+$' does not have the form field:op:value,
        """,
    ),
    Parameter(
        "a filter by a property without a name",
        "filter",
        b"properties.:=:x",
        """
        others | 400 invalid_request: filter.field: unknown field 'properties.': use one of name,
        """,
    ),
    Parameter(
        "SQL in a filter's value",
        "filter",
        b"name:=:x'%20OR%20'1'='1'%20--",
        """
        others | 200
        """,
    ),
    Parameter(
        "SQL in a property's name",
        "filter",
        b"properties.a')%20OR%201=1;%20DROP%20TABLE%20events;%20--:=:1",
        """
        others | 200
        """,
    ),
    Parameter(
        "a filter of 3,000 values",
        "filter",
        b"name:in:" + b"x," * 3_000,
        """
        others | 400 invalid_request: filter: operator 'in' does not take the value ['x', 'x', 'x',
        """,
    ),
    Parameter(
        "a filter by a number of 5,000 digits",
        "filter",
        b"properties.a:%3E:" + b"9" * 5_000,
        """
        others | 200
        """,
    ),
    Parameter(
        "a filter by 1e999",
        "filter",
        b"properties.a:%3E:1e999",
        """
        others | 400 invalid_request: filter.value: the number inf is beyond the range of a double
        """,
    ),
    Parameter(
        "a property nested 500 deep",
        "filter",
        b"properties." + b"a." * 500 + b":set",
        """
        others | 400 invalid_request: filter.field: unknown field
        """,
    ),
    Parameter(
        "NUL in a filter",
        "filter",
        b"name:=:a%00b",
        """
        others | 200
        """,
    ),
    Parameter(
        "a limit of 0",
        "limit",
        b"0",
        """
        /analytics/events, /api/analytics/events | 200
        /v1/analytics/events/daily, /v1/analytics/events/raw | 422 greater_than_equal: query.limit: Input should be
        others | 400 invalid_request: limit: Input should be greater than or equal to 1
        """,
    ),
    Parameter(
        "a limit below 0",
        "limit",
        b"-1",
        """
        /analytics/events, /api/analytics/events | 422 greater_than_equal: query.limit: Input should be greater than
        /v1/analytics/events/daily, /v1/analytics/events/raw | 422 greater_than_equal: query.limit: Input should be
        others | 400 invalid_request: limit: Input should be greater than or equal to 1
        """,
    ),
    Parameter(
        "a limit of one and a half",
        "limit",
        b"1.5",
        """
        /analytics/events, /api/analytics/events, /v1/analytics/events/daily | 422 int_parsing: query.limit: Input
        /v1/analytics/events/raw | 422 int_parsing: query.limit: Input should be a valid integer, unable to parse
        others | 400 invalid_request: limit: Input should be a valid integer, unable to parse string
        """,
    ),
    Parameter(
        "a limit of 5,000 digits",
        "limit",
        b"9" * 5_000,
        """
        /analytics/events, /api/analytics/events, /v1/analytics/events/daily | 422 int_parsing_size: query.limit
        /v1/analytics/events/raw | 422 int_parsing_size: query.limit: Unable to parse input string as an integer,
        others | 400 invalid_request: limit: Unable to parse input string as an integer, exceeded
        """,
    ),
    Parameter(
        "a limit of 2^63",
        "limit",
        b"9223372036854775808",
        """
        /v1/query | 400 invalid_request: limit: Input should be less than or equal to 100000
        /v1/events, /v1/users/{user_id}/events | 400 invalid_request: limit: Input should be less than or equal to
        /analytics/events, /api/analytics/events | 200
        /v1/analytics/events/daily | 422 less_than_equal: query.limit: Input should be less than or equal to 10000
        /v1/analytics/events/raw | 422 less_than_equal: query.limit: Input should be less than or equal to 5000
        others | 400 invalid_request: limit: Input should be less than or equal to 1000
        """,
    ),
    Parameter(
        "a limit in other digits",
        "limit",
        b"%D9%A3",
        """
        /analytics/events, /api/analytics/events, /v1/analytics/events/daily | 422 int_parsing: query.limit: Input
        /v1/analytics/events/raw | 422 int_parsing: query.limit: Input should be a valid integer, unable to parse
        others | 400 invalid_request: limit: Input should be a valid integer, unable to parse string
        """,
    ),
    Parameter(
        "a limit that is given twice",
        "limit",
        b"1&limit=2",
        """
        others | 200
        """,
    ),
    Parameter(
        "a cursor that is none",
        "cursor",
        b"AAAA",
        """
        others | 400 invalid_request: the cursor is not one that this query returned: send
        """,
    ),
    Parameter(
        "a cursor of other JSON",
        "cursor",
        b"eyJhIjoxfQ==",
        """
        others | 400 invalid_request: the cursor is not one that this query returned: send
        """,
    ),
    Parameter(
        "a cursor of 5,000 characters",
        "cursor",
        b"A" * 5_000,
        """
        others | 400 invalid_request: the cursor is not one that this query returned: send
        """,
    ),
    Parameter(
        "SQL in the order",
        "order",
        b"name;%20DROP%20TABLE%20events",
        """
        others | 400 invalid_request: order: Input should be 'newest' or 'oldest'
        """,
    ),
    Parameter(
        "a metric that is called as in SQL",
        "metric",
        b"sum(properties.a)",
        """
        others | 400 invalid_request: metrics.0.kind: Input should be 'events', 'users', 'sessions',
        """,
    ),
    Parameter(
        "a percentile that is none",
        "metric",
        b"p99:amount",
        """
        others | 400 invalid_request: metrics.0.kind: Input should be 'events', 'users', 'sessions',
        """,
    ),
    Parameter(
        "a sum of nothing",
        "metric",
        b"sum:",
        """
        others | 400 invalid_request: metrics.0: metric sum needs a property
        """,
    ),
    Parameter(
        "11 metrics",
        "metric",
        b"events&metric=events" + b"&metric=events" * 9,
        """
        others | 400 invalid_request: metric: List should have at most 10 items after validation, not
        """,
    ),
    Parameter(
        "a formula that calls Python",
        "formula",
        b"__import__('os')",
        """
        others | 400 invalid_request: formulas.0.expression: the formula "__import__('os')" cannot be
        """,
    ),
    Parameter(
        "a formula of 300 brackets",
        "formula",
        b"(" * 300,
        """
        others | 400 invalid_request: formulas.0.expression: String should have at most 200 characters
        """,
    ),
    Parameter(
        "a formula that divides by 0",
        "formula",
        b"A%20/%200",
        """
        others | 200
        """,
    ),
    Parameter(
        "a formula with a power",
        "formula",
        b"A**99999999",
        """
        others | 400 invalid_request: formulas.0.expression: the formula 'A**99999999' cannot be
        """,
    ),
    Parameter(
        "a comparison with nothing",
        "compare",
        b"x",
        """
        others | 400 invalid_request: compare: Input should be 'previous'
        """,
    ),
    Parameter(
        "an interval of a second",
        "interval",
        b"second",
        """
        others | 400 invalid_request: interval: Input should be 'minute', 'hour', 'day', 'week' or
        """,
    ),
    Parameter(
        "a breakdown by a number",
        "breakdown",
        b"1",
        """
        others | 400 invalid_request: breakdown: unknown field '1': use one of name, source, path,
        """,
    ),
    Parameter(
        "SQL in a breakdown",
        "breakdown",
        b"name;--",
        """
        others | 400 invalid_request: breakdown: unknown field 'name;--': use one of name, source,
        """,
    ),
    Parameter(
        "a breakdown by a property of 5,000 letters",
        "breakdown",
        b"properties." + b"a" * 5_000,
        """
        others | 400 invalid_request: breakdown: unknown field 'properties.
        """,
    ),
    Parameter(
        "4 breakdowns",
        "breakdown",
        b"name&breakdown=source&breakdown=path&breakdown=site_id",
        """
        others | 400 invalid_request: breakdown: List should have at most 3 items after validation,
        """,
    ),
    Parameter(
        "a top of 0",
        "top",
        b"0",
        """
        others | 400 invalid_request: top: Input should be greater than or equal to 1
        """,
    ),
    Parameter(
        "a format that is none",
        "format",
        b"exe",
        """
        /v1/export | 400 invalid_request: format: Input should be 'ndjson', 'csv', 'excel' or 'parquet'
        others | 400 invalid_request: format: Input should be 'json', 'csv', 'excel' or 'parquet'
        """,
    ),
    Parameter(
        "a search of 5,000 characters",
        "search",
        b"%25" * 1_600,
        """
        others | 400 invalid_request: search: String should have at most 200 characters
        """,
    ),
    Parameter(
        "a sample below 0",
        "sample",
        b"-1",
        """
        others | 400 invalid_request: sample: Input should be greater than or equal to 1
        """,
    ),
    Parameter(
        "bots that are neither",
        "bots",
        b"maybe",
        """
        others | 400 invalid_request: bots: Input should be 'exclude' or 'include'
        """,
    ),
    Parameter(
        "a state that is none",
        "state",
        b"alive'%20OR%201=1",
        """
        others | 400 invalid_request: state: Input should be 'dead', 'replayed', 'dropped', 'erased'
        """,
    ),
    Parameter(
        "an id before the first",
        "after",
        b"-1",
        """
        others | 400 invalid_request: after: Input should be greater than or equal to 0
        """,
    ),
    Parameter(
        "values of a column that is none",
        "field",
        b"receipt",
        """
        others | 400 invalid_request: field: unknown field 'receipt': use one of name, source, path,
        """,
    ),
    Parameter(
        "values of SQL",
        "field",
        b"name%20FROM%20events",
        """
        others | 400 invalid_request: field: unknown field 'name FROM events': use one of name,
        """,
    ),
    Parameter(
        "a day that is none",
        "start_date",
        b"2026-02-30",
        """
        others | 422 date_from_datetime_parsing: query.start_date: Input should be a valid date or datetime, day
        """,
    ),
    Parameter(
        "an end that is no day",
        "end_date",
        b"soon",
        """
        others | 422 date_from_datetime_parsing: query.end_date: Input should be a valid date or datetime, input
        """,
    ),
    Parameter(
        "a date of JavaScript that is none",
        "date",
        b"2025-11-31",
        """
        others | 400: Invalid date format. Use YYYY-MM-DD
        """,
    ),
    Parameter(
        "an order of 0",
        "top_n",
        b"0",
        """
        others | 422 greater_than_equal: query.top_n: Input should be greater than or equal to 1
        """,
    ),
    Parameter(
        "a user of 5,000 characters",
        "user_id",
        b"u" * 5_000,
        """
        others | 400 invalid_request: user_id: String should have at most 256 characters
        """,
    ),
    Parameter(
        "a user that is NUL",
        "user_id",
        b"%00",
        """
        /v1/erasures | 400 invalid_request: user_id: a person is one of a site: name it with site_id
        others | 200
        """,
    ),
    Parameter(
        "an actor that is SQL",
        "actor_id",
        b"'%20OR%201=1",
        """
        others | 200
        """,
    ),
    Parameter(
        "endless seconds",
        "seconds",
        b"inf",
        """
        others | 400 invalid_request: seconds: Input should be less than or equal to 86400
        """,
    ),
)

"""Keys, heads, paths and queries, with their answers."""

from __future__ import annotations

import json

from tallystick.ingest.snippet import BUILT
from tests.attack.http.bad_input.shapes import (
    BLOG_KEY,
    EVENT,
    FORMS,
    KEY,
    MIB,
    READ_KEY,
    WRITE_KEY,
    Case,
    condition,
    get,
    post,
    statement,
)
from tests.helpers.http.steps import request

SCRIPT = "200" if BUILT.is_file() else "404 not_found: the browser snippet is not part of this installation"
"""For the script for web pages, which is built where Node.js is."""
REQUESTS: tuple[Case, ...] = (
    Case(
        "no key",
        get("/v1/events", key=""),
        "401 unauthorized: this needs a read key: send it as Authorization: Bearer KEY or",
    ),
    Case(
        "an unknown key",
        get("/v1/events", key="nobody-0123456789abcdef"),
        "401 unauthorized: the key is not one of this server's read keys",
    ),
    Case(
        "a key that is no ASCII",
        get("/v1/events", key="ÿ\u0100"),
        "401 unauthorized: the key is not one of this server's read keys",
    ),
    Case(
        "a key of 5,000 characters",
        get("/v1/events", key="k" * 5_000),
        "401 unauthorized: the key is not one of this server's read keys",
    ),
    Case(
        "a key in the address",
        get(f"/v1/events?key={KEY}", key=""),
        "401 unauthorized: this needs a read key: send it as Authorization: Bearer KEY or",
    ),
    Case(
        "two keys that differ",
        get("/v1/events", f"authorization: Bearer {READ_KEY}"),
        "400 invalid_request: the request has two different keys in its headers: send one",
    ),
    Case(
        "the same key twice",
        get("/v1/events", f"x-api-key: {KEY}"),
        "400 invalid_request: the request has the header x-api-key twice: send it once",
    ),
    Case(
        "credentials that are no Base64",
        get("/analytics/stats", "authorization: Basic !!!", key=""),
        "401: this needs a read key: send it as Authorization: Bearer KEY or",
    ),
    Case(
        "a read key for writing",
        request("POST", "/v1/events", f"x-api-key: {READ_KEY}", body=EVENT),
        "403 forbidden: this key does not allow to write: send a write key",
    ),
    Case(
        "a write key for reading",
        get("/v1/events", key=WRITE_KEY),
        "403 forbidden: this key does not allow to read: send a read key",
    ),
    Case(
        "a key of another site",
        get("/v1/events?site_id=default", key=BLOG_KEY),
        "403 forbidden: you may see one site or some, and this is about another, or",
    ),
    Case(
        "a key of one site for all",
        get("/v1/pipeline", key=BLOG_KEY),
        "403 forbidden: this spans all sites: it needs a read key for every site (*)",
    ),
    Case(
        "an Idempotency-Key of 300 characters",
        request("POST", "/v1/events", f"x-api-key: {KEY}", "idempotency-key: " + "i" * 300, body=EVENT),
        "400 invalid_request: Idempotency-Key has more than 256 characters",
    ),
    Case(
        "an empty Idempotency-Key",
        request("POST", "/v1/events", f"x-api-key: {KEY}", "idempotency-key:", body=EVENT),
        "202",
    ),
    Case("a request id that is none", get("/healthz", "x-request-id: " + "é" * 500), "200"),
    Case("an Accept-Encoding that is none", get("/v1/events", "accept-encoding: gzip;q=9e999, br;q=-1, *;q="), "200"),
    Case("ranges from the end to the beginning", get("/v1/export", "range: bytes=5-1,2-0,-0", "if-range: x"), "200"),
    Case("1,000 ranges", get("/js/tallystick.js", "range: bytes=" + "0-0," * 1_000 + "0-0"), SCRIPT),
    Case("a date that is none", get("/js/tallystick.js", "if-modified-since: Thu, 99 Foo 99999 99:99:99 GMT"), SCRIPT),
    Case("2,000 cookies", get("/v1/events", "cookie: " + "a=b; " * 2_000), "200"),
    Case("2,000 proxies", get("/v1/events", "x-forwarded-for: " + "1.2.3.4," * 2_000), "200"),
    Case("a proxy that is no address", get("/v1/events", "x-forwarded-for: [::1, ::::"), "200"),
    Case("an origin that is none", get("/v1/events", "origin: http://[::1"), "200"),
    Case("an expectation that is none", get("/v1/events", "expect: 200-ok"), "200"),
    Case(
        "a content type that is none",
        request("POST", "/v1/query", f"x-api-key: {KEY}", "content-type: \x7f/;=", body=b'{"kind":"metrics"}'),
        "400 invalid_request: this is no valid HTTP/1.1 request",
    ),
    Case(
        "a method that is none",
        get("/v1/events", method="FOO"),
        "400 invalid_request: this is no valid HTTP/1.1 request",
    ),
    Case(
        "a method in small letters",
        get("/v1/events", method="get"),
        "400 invalid_request: this is no valid HTTP/1.1 request",
    ),
    Case(
        "TRACE",
        get("/v1/events", method="TRACE"),
        "405 method_not_allowed: there is no TRACE /v1/events; use GET, HEAD, OPTIONS",
    ),
    Case(
        "a method that the route does not take",
        get("/v1/events", method="DELETE"),
        "405 method_not_allowed: there is no DELETE /v1/events; use GET, HEAD, OPTIONS",
    ),
    Case(
        "a slash too many", get("/v1/events/"), "404 not_found: there is no route GET /v1/events/; /docs lists them all"
    ),
    Case(
        "two slashes before it",
        get("//v1/events"),
        "404 not_found: there is no route GET //v1/events; /docs lists them all",
    ),
    Case(
        "another server's address",
        get("http://evil.example/v1/nothing"),
        "404 not_found: there is no route GET /v1/nothing; /docs lists them all",
    ),
    Case("a path that is none", get("/nothing/" + "a" * 5_000), "404 not_found: there is no route GET /nothing/"),
    Case("a path of bytes that are no text", get("/v1/users/%ff%fe"), "200"),
    Case("a path of overlong dots", get("/v1/users/%c0%ae%c0%ae"), "200"),
    Case("a user that is a NUL", get("/v1/users/%00"), "200"),
    Case(
        "a user of 5,000 letters in the path",
        get("/v1/users/" + "u" * 5_000),
        "400 invalid_request: user_id: String should have at most 256 characters",
    ),
    Case("a user that is SQL", get("/v1/users/'%20OR%201=1;--/events"), "200"),
    Case(
        "a dead letter that is a word",
        get("/v1/dead/one"),
        "404 not_found: there is no route GET /v1/dead/one; /docs lists them all",
    ),
    Case(
        "a dead letter below 0",
        get("/v1/dead/-1"),
        "404 not_found: there is no route GET /v1/dead/-1; /docs lists them all",
    ),
    Case("a dead letter that is not there", get("/v1/dead/999"), "404 not_found: there is no dead letter 999"),
    Case(
        "a receipt that climbs",
        get("/v1/receipts/..%2f..%2fetc%2fpasswd"),
        "404 not_found: there is no route GET /v1/receipts/../../etc/passwd; /docs",
    ),
    Case(
        "a receipt of 5,000 digits",
        get("/v1/receipts/0000000000000001-" + "9" * 5_000),
        "400 invalid_request: receipt: String should have at most 64 characters",
    ),
    Case("a report that is SQL", get("/v1/reports/'%20OR%201=1"), '404 not_found: there is no report "\' OR 1=1"'),
    Case("a board that is a NUL", get("/v1/boards/%00"), "404 not_found: there is no board '\\x00'"),
    Case("an import that climbs", get("/v1/imports/%2e%2e"), "200"),
    Case(
        "an asset that climbs",
        get("/ui/assets/..%2f..%2f..%2f..%2fetc%2fpasswd"),
        "404 not_found: there is no route GET /ui/assets/../../../../etc/passwd; /docs",
    ),
    Case(
        "an asset that climbs twice encoded",
        get("/ui/assets/%252e%252e%252fetc%252fpasswd"),
        "404 not_found: the dashboard has no file '%2e%2e%2fetc%2fpasswd'",
    ),
    Case(
        "a page that climbs",
        get("/docs/assets/..%2f..%2fpyproject.toml"),
        "404 not_found: there is no route GET /docs/assets/../../pyproject.toml; /docs",
    ),
    Case(
        "a query of an unknown kind",
        post("/v1/query", b'{"kind":"events; DROP TABLE events"}'),
        "400 invalid_request: the body: Input tag 'events; DROP TABLE events' found using",
    ),
    Case(
        "a query with an unknown field",
        post("/v1/query", b'{"kind":"metrics","intervall":"day"}'),
        "400 invalid_request: intervall: there is no such field",
    ),
    Case(
        "half a surrogate pair in a filter's value",
        post("/v1/query", condition("=", '"\\ud800"')),
        "400 invalid_request: the body holds half a surrogate pair",
    ),
    Case(
        "half a surrogate pair in a filter's list",
        post("/v1/query", condition("in", '["\\ud800"]')),
        "400 invalid_request: the body holds half a surrogate pair",
    ),
    Case(
        "half a surrogate pair in a property's name",
        post("/v1/query", b'{"kind":"metrics","breakdown":["properties.\\ud800"]}'),
        "400 invalid_request: the body holds half a surrogate pair",
    ),
    Case(
        "half a surrogate pair in a field's name",
        post("/v1/query", b'{"kind":"metrics","\\ud800":1}'),
        "400 invalid_request: the body holds half a surrogate pair",
    ),
    Case(
        "NaN in a filter",
        post("/v1/query", condition(">", "NaN")),
        "400 invalid_request: the body is not JSON: NaN is no number there",
    ),
    Case(
        "1e400 in a filter",
        post("/v1/query", condition(">", "1e400")),
        "400 invalid_request: filter.value: the number inf is beyond the range of a double",
    ),
    Case(
        "5,000 digits in a filter",
        post("/v1/query", condition(">", "9" * 5_000)),
        "400 invalid_request: the body holds a number of too many digits",
    ),
    Case("NUL in a filter's value in JSON", post("/v1/query", condition("=", '"a\\u0000"')), "200"),
    Case(
        "an object in a filter",
        post("/v1/query", condition("=", '{"$gt":""}')),
        "400 invalid_request: filter.value: Input should be a valid string",
    ),
    Case(
        "a filter nested 200 deep",
        post("/v1/query", b'{"kind":"metrics","filter":' + b'{"all":[' * 200 + b"]}" * 200 + b"}"),
        "400 invalid_request: filter: a filter has at most 200 conditions (0 given), nested",
    ),
    Case(
        "a filter of 5,000 conditions",
        post(
            "/v1/query",
            b'{"kind":"metrics","filter":{"all":[' + b",".join([b'{"field":"name","op":"set"}'] * 5_000) + b"]}}",
        ),
        "400 invalid_request: filter.all: List should have at most 50 items after validation,",
    ),
    Case(
        "a limit that is infinite",
        post("/v1/query", b'{"kind":"metrics","limit":1e400}'),
        "400 invalid_request: limit: Input should be a finite number",
    ),
    Case(
        "a range that ends before it begins",
        post("/v1/query", b'{"kind":"metrics","since":"2026-02-01T00:00:00Z","until":"2026-01-01T00:00:00Z"}'),
        "400 invalid_request: the body: since must not be after until",
    ),
    Case(
        "minutes of 7,000 years",
        post(
            "/v1/query",
            b'{"kind":"metrics","interval":"minute","since":"2000-01-01T00:00:00Z","until":"9000-01-01T00:00:00Z"}',
        ),
        "400 invalid_request: the range has 3681645120 minute buckets, 20000 at most: shorten",
    ),
    Case(
        "a funnel without steps",
        post("/v1/query/funnel", b'{"steps":[]}'),
        "400 invalid_request: steps: List should have at least 2 items after validation, not 0",
    ),
    Case(
        "a funnel of 1,000 steps",
        post("/v1/query/funnel", b'{"steps":[' + b",".join([b'{"name":"a"}'] * 1_000) + b"]}"),
        "400 invalid_request: steps: List should have at most 20 items after validation, not",
    ),
    Case(
        "paths of 10^9 steps",
        post("/v1/query/paths", b'{"depth":1000000000,"steps":1000000000}'),
        "400 invalid_request: steps: Input should be less than or equal to 10",
    ),
    Case(
        "a retention of 10^9 periods",
        post("/v1/query/retention", b'{"periods":1000000000}'),
        "400 invalid_request: periods: Input should be less than or equal to 100",
    ),
    Case(
        "two statements",
        statement("SELECT 1; DROP TABLE events"),
        "400 invalid_request: sql: only one SELECT is allowed (WITH … SELECT and UNION are,",
    ),
    Case(
        "a statement that reads a file",
        statement("SELECT * FROM read_csv('/etc/passwd')"),
        "400 invalid_request: sql: the function 'read_csv' is not allowed",
    ),
    Case(
        "a statement that reads the environment",
        statement("SELECT getenv('HOME')"),
        "400 invalid_request: sql: the function 'getenv' is not allowed",
    ),
    Case(
        "a statement that makes a long text",
        statement("SELECT repeat('x', 1000000000)"),
        "400 invalid_request: sql: the function 'repeat' is not allowed",
    ),
    Case(
        "a statement that never ends",
        statement("WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT 1 FROM t) SELECT * FROM t"),
        "400 invalid_request: sql: RECURSIVE is not allowed with WITH",
    ),
    Case(
        "a statement nested 2,000 deep",
        statement("SELECT " + "(" * 2_000 + "1" + ")" * 2_000),
        "400 invalid_request: sql: the statement is nested too deep",
    ),
    Case(
        "a statement with NUL",
        statement("SELECT '\0'"),
        "400 invalid_request: sql: the statement holds a NUL character",
    ),
    Case(
        "a statement with half a surrogate pair",
        post("/v1/sql", b'{"sql":"SELECT \'\\ud800\'"}'),
        "400 invalid_request: the body holds half a surrogate pair",
    ),
    Case(
        "a statement that is a table of the store",
        statement("SELECT * FROM duckdb_settings()"),
        "400 invalid_request: sql: the function 'duckdb_settings' is not allowed",
    ),
    Case(
        "a statement of 20,001 characters",
        statement("SELECT 1" + " " * 20_000),
        "400 invalid_request: sql: String should have at most 20000 characters",
    ),
    Case(
        "rollups of a day that is none",
        post("/v1/rollups/rebuild", b'{"day":"2026-02-30"}'),
        "400 invalid_request: day: Input should be a valid date or datetime, day value is",
    ),
    Case(
        "1,001 dead letters at once",
        post("/v1/dead/drop", b'{"ids":' + json.dumps(list(range(1_001))).encode() + b"}"),
        "400 invalid_request: ids: List should have at most 1000 items after validation, not",
    ),
    Case(
        "a dead letter beyond 64 bits",
        post("/v1/dead/replay", b'{"ids":[18446744073709551616]}'),
        "400 invalid_request: ids.0: Input should be less than or equal to 9223372036854775807",
    ),
    Case(
        "an id of white space taken apart",
        post("/v1/identity/split", b'{"user_id":" "}'),
        "404 not_found: ' ' is joined to no other id on the site 'default'",
    ),
    Case(
        "the erasure of every site",
        post("/v1/erase", b'{"user_id":"u","site_id":"*"}'),
        "400 invalid_request: site_id: a person is one of a site: name one",
    ),
    Case(
        "a report without a name",
        post("/v1/reports", b'{"name":"","question":{"kind":"metrics"}}'),
        "400 invalid_request: name: a name needs at least one visible character",
    ),
    Case(
        "a report with a control character",
        post("/v1/reports", b'{"name":"a\\u0007","question":{"kind":"metrics"}}'),
        "400 invalid_request: name: control characters are not allowed",
    ),
    Case(
        "a board of 10,000 letters",
        post("/v1/boards", b'{"name":"' + b"n" * 10_000 + b'"}'),
        "400 invalid_request: name: String should have at most 200 characters",
    ),
    Case(
        "a login by list",
        post("/v1/session", b'{"email":["a@b.example"],"password":{"$ne":1}}'),
        "400 invalid_request: email: Input should be a valid string",
    ),
    Case(
        "a login that is SQL",
        post("/v1/session", b'{"email":"\' OR 1=1 --","password":"\' OR 1=1 --"}'),
        "401 unauthorized: this server has no accounts",
    ),
    Case(
        "a password of 1 MB",
        post("/v1/session", b'{"email":"a@b.example","password":"' + b"p" * MIB + b'"}'),
        "400 invalid_request: password: String should have at most 1000 characters",
    ),
    Case(
        "an invitation that is none",
        post("/v1/invitations/look", b'{"token":"../../etc/passwd"}'),
        "404 not_found: the link is used, expired or unknown: ask for a new one",
    ),
    Case(
        "a strictness that is none",
        request("POST", "/v1/events?strict=perhaps", f"x-api-key: {KEY}", body=EVENT),
        "400 invalid_request: strict: 1 accepts all events or none, 0 each by itself; 'perhaps' is neither",
    ),
    Case(
        "a parameter that is none",
        get("/v1/query?intervall=day"),
        "400 invalid_request: intervall: there is no such parameter; did you mean interval?",
    ),
    Case(
        "a parameter that is none, of the export",
        get("/v1/export?form=csv"),
        "400 invalid_request: form: there is no such parameter; did you mean format?",
    ),
    Case(
        "a parameter that is none, for writing",
        request("POST", "/v1/events?stritc=1", f"x-api-key: {KEY}", body=EVENT),
        "400 invalid_request: stritc: there is no such parameter; did you mean strict?",
    ),
    Case(
        "a parameter that is none, beside a good one",
        request("POST", "/v1/events?strict=1&_=1700000000", f"x-api-key: {KEY}", body=EVENT),
        "400 invalid_request: _: there is no such parameter; the route takes strict",
    ),
    Case(
        "a parameter of 20,000 characters",
        request("POST", f"/v1/events?{'s' * 20_000}=1", f"x-api-key: {KEY}", body=EVENT),
        f"400 invalid_request: {'s' * 100}: there is no such parameter; the route takes strict",
    ),
    Case(
        "a parameter that is no Unicode",
        request("POST", "/v1/events?%ed%a0%80=1", f"x-api-key: {KEY}", body=EVENT),
        "400 invalid_request: \ufffd\ufffd\ufffd: there is no such parameter; the route takes strict",
    ),
    Case(
        "a parameter that belongs into the body",
        post("/v1/retention?dry_run=true", b'{"site_id":"nowhere","days":1}'),
        "400 invalid_request: dry_run: there is no such parameter; the route takes none in its address",
    ),
    Case(
        "a format that is misspelt",
        post("/v1/query?fromat=csv", b'{"kind":"metrics"}'),
        "400 invalid_request: fromat: there is no such parameter; did you mean format?",
    ),
    Case(
        "a parameter that is none, on another system's route",
        post("/events?stritc=1", FORMS["smolhog"].body("name", '"a"')),
        "200",
    ),
    Case(
        "a parameter 500 times",
        get("/v1/events?" + "&".join(["filter=name:set"] * 500)),
        "400 invalid_request: filter: List should have at most 20 items after validation, not",
    ),
)

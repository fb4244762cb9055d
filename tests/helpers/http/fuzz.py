"""Requests that a route should get, made from the OpenAPI document, and what an attacker makes of them."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import quote

Schema: TypeAlias = dict[str, Any]

STREAMS = ("/v1/live", "/v1/export")
"""Routes whose answers have no end, or a late one: only their heads are read."""

MORE = (
    ("GET", "/docs"),
    ("GET", "/docs/assets/{name}"),
    ("GET", "/openapi.json"),
    ("GET", "/js/tallystick.js"),
    ("GET", "/ui/assets/{name}"),
    ("GET", "/ui/{name}"),
    ("GET", "/ui/explore"),
    ("OPTIONS", "/v1/events"),
    ("GET", "/nothing/{name}"),
    ("DELETE", "/v1/events"),
)
"""Routes beside those of the document, and two that are none."""

TEXTS: tuple[bytes, ...] = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        "",
        " ",
        "0",
        "-1",
        "+1",
        "1_000",
        "0x10",
        "1.5",
        "9" * 5_000,
        "-" + "9" * 4_400,
        "1e999",
        "1e308",
        "nan",
        "-inf",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "٣",
        "²",
        "१२",
        "\0",
        "a\0b",
        "a" * 5_000,
        "é" * 200,
        "\ud800",
        "x\udfffy",
        "../../../etc/passwd",
        "..\\..",
        "/etc/passwd",
        "/",
        ".",
        "..",
        "a/b//c",
        "0000-01-01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999999-14:00",
        "9999-12-31",
        "10000-01-01",
        "2026-02-30",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+99:99",
        "-99999-01-01",
        "253402300800",
        "1e20",
        "-1d",
        "999999999999d",
        "99999999999999999999h",
        "P9999Y",
        "today",
        "Europe/../Berlin",
        "posix/UTC",
        "UTC\0",
        "../UTC",
        "a" * 300 + "/b",
        "name=",
        "=",
        "name==x",
        "properties." + "a." * 500,
        "properties.\0",
        "properties.a:" + "9" * 5_000,
        "amount>" + "9" * 5_000,
        "amount>1e999",
        "user_id~(",
        "name~" + "(a+)+" * 20,
        "name=" + "x," * 3_000,
        "sum(properties.a)",
        "p99(" + "(" * 300,
        "A/" * 500,
        "events/0",
        "[" * 2_000,
        "{}",
        "[]",
        "null",
        "true",
        '"',
        "'",
        "'; DROP TABLE events; --",
        "${7*7}",
        "%s%n",
        "<script>",
        "\r\nx: y",
        "eyJhIjoxfQ==",
        "eyJ" + "A" * 4_000,
        "AAAA",
        "a=b&c=d",
        "\u202e",
        "\uffff",
        "\U0010ffff",
        "I" * 2_000,
    )
)
RAW = (b"%", b"%zz", b"%00", b"%ff%fe", b"%ed%a0%80", b"%c0%ae%c0%ae", b"%25%32%66", b"\xff\xfe", b"a%2fb", b"+")
"""Parts of a target that are sent as they are."""
HUGE = "9" * 5_000
VALUES = (
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "-0.0",
    "1e400",
    "-1e400",
    "1e-400",
    "1e308",
    "9007199254740993",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    HUGE,
    f"-{HUGE}",
    f"0.{HUGE}",
    f"1e{HUGE}",
    "NaN",
    "Infinity",
    '""',
    '" "',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    f'"{"a" * 70_000}"',
    "[]",
    "{}",
    "[[]]",
    "[null]",
    '{"":null}',
    '{"a":1,"a":2}',
    "[" * 900 + "]" * 900,
    '{"a":' * 900 + "1" + "}" * 900,
    '"0000-01-01"',
    '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59.999999-14:00"',
    '"2026-02-30"',
    '"1e20"',
    '"253402300800"',
    '"now"',
    '"-1d"',
    '"999999999999d"',
    '"../../etc/passwd"',
    '"properties.a.b.c"',
    '"name"',
    '"*"',
    '"Europe/../x"',
    f'"{HUGE}"',
    '"\\"; DROP TABLE events; --"',
    f'["{"x" * 500}"]',
    '[1,"a",null]',
    '"\\uffff"',
)
BODIES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"\0",
    b"{",
    b"[",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe{\0}\0",
    b"\xef\xbb\xbf{}",
    b'"\xed\xa0\x80"',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"1" * 50_000,
    b"1e" + b"9" * 50_000,
    b'{"\xff":1}',
    b"\n" * 1_000,
    b'{"name":"a"}\n{"name":' + b"[" * 2_000,
    b'{"events":' * 3,
    b'{"events":[' + b"{}," * 2_000 + b"{}]}",
    b"{'a':1}",
    b'{"a":1}{"b":2}',
    b"<xml/>",
    b'{"a":' + b"-" * 3_000,
)
HEADERS: tuple[bytes, ...] = (
    b"accept-encoding: \xff",
    b"accept-encoding: gzip;q=9e999, br;q=-1, *;q=",
    b"accept: text/\0".replace(b"\0", b"\xff"),
    b"accept-language: " + b"x-," * 5_000,
    b"range: bytes=0-",
    b"range: bytes=-1",
    b"range: bytes=" + b"9" * 5_000 + b"-",
    b"range: bytes=5-1,2-0,-0",
    b"range: bytes=" + b"0-0," * 5_000 + b"0-0",
    b"range: lines=\xff",
    b"if-range: \xff",
    b"if-none-match: *",
    b"if-none-match: W/\xff",
    b"if-modified-since: Thu, 99 Foo 99999 99:99:99 GMT",
    b"if-modified-since: " + b"9" * 5_000,
    b"cookie: " + b"a=b; " * 5_000,
    b"cookie: \xff=\xfe; ;;=",
    b"origin: null",
    b"origin: http://[::1",
    b"origin: \xff",
    b"referer: http://[\xff",
    b"x-request-id: " + b"a" * 5_000,
    b"x-request-id: \xff",
    b"x-api-key: \xff\xfe",
    b"authorization: Bearer",
    b"authorization: Bearer \xff",
    b"authorization: Basic !!!",
    b"authorization: " + b"Bearer " * 500,
    b"content-type: application/json; charset=\xff",
    b"content-type: multipart/form-data",
    b"content-type: multipart/form-data; boundary=" + b"a" * 300,
    b"content-type: application/x-www-form-urlencoded",
    b"content-type: \xff",
    b"content-type: text/plain",
    b"content-type: application/x-ndjson",
    b"content-encoding: br",
    b"content-encoding: gzip",
    b"content-encoding: \xff",
    b"content-encoding: zstd",
    b"content-encoding: deflate",
    b"content-encoding: gzip, gzip",
    b"idempotency-key: \xff",
    b"idempotency-key: " + b"a" * 300,
    b"idempotency-key:",
    b"x-forwarded-for: " + b"1.2.3.4," * 2_000,
    b"x-forwarded-for: \xff, ::::, [::1",
    b"user-agent: " + b"Mozilla/" * 2_000,
    b"user-agent: \xff",
    b"upgrade: websocket\r\nconnection: upgrade",
    b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: \xff",
    b"expect: 100-continue",
    b"expect: 200-ok",
    b"te: trailers, \xff",
    b"x-tallystick-share: \xff",
    b"forwarded: for=\xff",
    b"access-control-request-method: \xff\r\naccess-control-request-headers: \xff",
    b"x-http-method-override: DELETE",
    b"host: other.example",
    b"host: ",
    b"x-host: a",
    b"sec-fetch-site: cross-site",
    b"content-length: 5",
    b"transfer-encoding: chunked",
    b"transfer-encoding: identity, \xff",
    b"connection: \xff, close",
)
HOSTS = (
    b"",
    b"localhost:99999999",
    b"[::1",
    b"[::1]:x",
    b"\xff",
    b"a" * 5_000,
    b"localhost:",
    b":80",
    b"127.0.0.1:" + b"9" * 500,
    b"user@localhost",
    b"localhost, evil",
    b"xn--\xff",
    b"[v1.a]",
    b"0x7f.1",
    b"127.1",
    b"::1",
)
METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"SEARCH",
    b"PRI",
    b"get",
    b"G",
    b"GET\0",
    b"FOO",
    b"SOURCE",
    b"M-SEARCH",
    b"QUERY",
    b"",
)


@dataclass(frozen=True)
class Operation:
    """A method on a path, with what the document says of it."""

    method: str
    path: str
    said: Schema = field(default_factory=dict, hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Sent:
    """A request that can still be changed."""

    method: bytes
    path: bytes
    query: tuple[tuple[bytes, bytes], ...] = ()
    headers: tuple[bytes, ...] = ()
    body: bytes | None = None
    host: bytes = b"localhost"

    def bytes(self) -> bytes:
        query = b"&".join(b"%b=%b" % pair for pair in self.query)
        target = self.path + (b"?" + query if query else b"")
        headers = [b"host: " + self.host, *self.headers, b"connection: close"]
        if self.body is not None:
            if not any(header.startswith(b"content-type:") for header in headers):
                headers.append(b"content-type: application/json")
            headers.append(b"content-length: %d" % len(self.body))
        return b"\r\n".join([b"%b %b HTTP/1.1" % (self.method, target), *headers, b"", self.body or b""])


def operations(document: Schema) -> list[Operation]:
    """All that the document lists, and MORE."""
    listed = [
        Operation(method.upper(), path, said)
        for path, item in document["paths"].items()
        for method, said in item.items()
    ]
    return listed + [Operation(method, path) for method, path in MORE]


class Attacker:
    """Makes requests for one operation, the same ones for the same `seed`."""

    def __init__(self, document: Schema, operation: Operation, seed: object, keys: tuple[str, ...] = ()) -> None:
        self._document = document
        self._operation = operation
        self._chance = random.Random(f"{seed} {operation}")
        self._keys = keys

    def requests(self, count: int) -> Iterator[bytes]:
        """One that should be answered well, and then hostile ones."""
        yield self._fitting().bytes()
        for _ in range(count - 1):
            yield self._hostile()

    def _fitting(self) -> Sent:
        said, chance = self._operation.said, self._chance
        path, query, headers = self._operation.path, [], []
        for parameter in said.get("parameters", ()):
            value = quote(str(self._sample(parameter.get("schema", {}))), safe="").encode()
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", value.decode())
            elif parameter["in"] == "query" and chance.random() < 0.4:
                query.append((parameter["name"].encode(), value))
        if self._keys and chance.random() < 0.8:
            headers.append(f"authorization: Bearer {chance.choice(self._keys)}".encode())
        content = said.get("requestBody", {}).get("content", {})
        body = None
        if content:
            body = json.dumps(self._sample(next(iter(content.values())).get("schema", {}))).encode()
        target = path.replace("{name}", "x").encode()
        return Sent(self._operation.method.encode(), target, tuple(query), tuple(headers), body)

    def _sample(self, schema: Schema, depth: int = 0) -> Any:
        """A value that fits the schema, more or less."""
        chance = self._chance
        if "$ref" in schema:
            return self._sample(self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], depth)
        for several in ("oneOf", "anyOf", "allOf"):
            if several in schema:
                return self._sample(chance.choice(schema[several]), depth)
        for given in ("const", "default"):
            if schema.get(given) is not None:
                return schema[given]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        if schema.get("examples"):
            return chance.choice(schema["examples"])
        match schema.get("type"):
            case "object":
                wanted = schema.get("required", ())
                return {
                    name: self._sample(part, depth + 1)
                    for name, part in schema.get("properties", {}).items()
                    if name in wanted or (depth < 4 and chance.random() < 0.4)
                }
            case "array":
                count = max(1, schema.get("minItems", 1))
                return [self._sample(schema.get("items", {}), depth + 1) for _ in range(count)]
            case "integer":
                return int(schema.get("minimum", 0)) + chance.randrange(3)
            case "number":
                return 1.5
            case "boolean":
                return chance.random() < 0.5
            case "null":
                return None
        return chance.choice(("name", "page_view", "2026-01-01T00:00:00Z", "properties.a", "default", "UTC", "1d"))

    # --- what is done to them -------------------------------------------------------------------------------------

    def _hostile(self) -> bytes:
        sent, chance = self._fitting(), self._chance
        ways = [self._in_headers, self._in_headers, self._in_query, self._in_line]
        if "{" in self._operation.path:
            ways += [self._in_path] * 3
        if self._operation.said.get("parameters"):
            ways += [self._in_query] * 3
        if sent.body is not None:
            ways += [self._in_body] * 4 + [self._in_encoding]
        for _ in range(chance.choice((1, 1, 1, 2))):
            sent = chance.choice(ways)(sent)
        data = sent.bytes()
        return self._in_bytes(data) if chance.random() < 0.05 else data

    def _text(self) -> bytes:
        chance = self._chance
        return chance.choice(RAW) if chance.random() < 0.15 else quote(chance.choice(TEXTS), safe="").encode()

    def _in_path(self, sent: Sent) -> Sent:
        path = self._operation.path
        while "{" in path:
            before, _, rest = path.partition("{")
            path = before + self._text().decode("latin-1") + rest.partition("}")[2]
        return replace(sent, path=path.encode("latin-1"))

    def _in_query(self, sent: Sent) -> Sent:
        chance = self._chance
        known = [one["name"].encode() for one in self._operation.said.get("parameters", ()) if one["in"] == "query"]
        name = chance.choice(known) if known and chance.random() < 0.9 else self._text()
        pair = (name, self._text())
        if chance.random() < 0.15:
            return replace(sent, query=(*sent.query, *[pair] * chance.choice((2, 500))))
        return replace(sent, query=(*(one for one in sent.query if one[0] != name), pair))

    def _in_headers(self, sent: Sent) -> Sent:
        chance = self._chance
        if chance.random() < 0.15:
            return replace(sent, host=chance.choice(HOSTS))
        more = chance.choice(HEADERS)
        return replace(sent, headers=(*sent.headers, *[more] * chance.choice((1, 1, 1, 2))))

    def _in_line(self, sent: Sent) -> Sent:
        chance = self._chance
        if chance.random() < 0.5:
            return replace(sent, method=chance.choice(METHODS))
        form = chance.choice(
            (
                b"http://localhost%b",
                b"http://evil.example%b",
                b"//%b",
                b"*%.0b",
                b"%b#x",
                b"%b?%%",
                b"%b;x=y",
                b"%b/",
                b"/.%b",
                b"%b\0",
                b"%b\xff",
                b"http://[%b",
                b"x:%b",
                b"%b?" + b"a=b&" * 3_000,
                b"/" * 3_000 + b"%b",
                b"%b%%00",
                b"/%%2e%b",
            )
        )
        return replace(sent, path=form % sent.path)

    def _in_body(self, sent: Sent) -> Sent:
        chance = self._chance
        if chance.random() < 0.2:
            return replace(sent, body=chance.choice(BODIES))
        try:
            value = json.loads(sent.body or b"null")
        except (ValueError, RecursionError):
            return sent  # something was done to it before
        places = list(_places(value))
        if not places:
            return replace(sent, body=chance.choice(VALUES).encode())
        holder, key = chance.choice(places)
        if chance.random() < 0.15 and isinstance(holder, dict):
            holder[chance.choice(TEXTS).decode("utf-8", "replace")] = holder[key]
        holder[key] = "@@"
        return replace(sent, body=json.dumps(value).encode().replace(b'"@@"', chance.choice(VALUES).encode()))

    def _in_encoding(self, sent: Sent) -> Sent:
        chance = self._chance
        body = sent.body or b""
        named, packed = chance.choice(
            (
                (b"gzip", gzip.compress(body)),
                (b"gzip", gzip.compress(body)[:-3]),
                (b"deflate", _bomb()),
                (b"deflate", b"\x78"),
                (b"gzip", b"\x1f\x8b" + b"\0" * 50),
                (b"zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff"),
                (b"gzip", body),
                (b"gzip", gzip.compress(b"") * 1_100),
                (b"br", body),
                (b"zstd", b"\x28\xb5\x2f\xfd" * 50),
            )
        )
        return replace(sent, headers=(*sent.headers, b"content-encoding: " + named), body=packed)

    def _in_bytes(self, data: bytes) -> bytes:
        """Single bytes changed, taken out or put in, with nothing known of HTTP."""
        chance, changed = self._chance, bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(changed))
            match chance.randrange(3):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    del changed[at]
                case _:
                    changed[at:at] = bytes([chance.randrange(256)]) * chance.choice((1, 3, 300))
        return bytes(changed)


@cache
def _bomb() -> bytes:
    return zlib.compress(b" " * 40_000_000, 9)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where a value can be put in place of another: containers and their keys or indexes."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])

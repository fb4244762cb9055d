"""Settings: every limit, time-out, batch size and path, with its name, default and help.

Only this module reads the environment.

docs/run/configuration.md is generated from this file (`make docs`); a test fails when it is stale.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from tallystick import keys
from tallystick.errors import ConfigError
from tallystick.keys import Keys

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
PREFIX = "TALLYSTICK_"
DATA_FOLDER = Path("tallystick-data")
OLD_PREFIX = "RUNNEL_"
OLD_DATA_FOLDER = Path("runnel-data")
"""Prefix of the settings and default data folder of the time before the project was called Tallystick."""


SERVER = "http://127.0.0.1:8000"
"""Where a server listens unless its settings say otherwise, and where commands look for one."""
NO_SETTINGS = frozenset(
    {
        "TALLYSTICK_SUBNET",  # compose.yaml: the network of its containers
    }
)
"""Variables that are no settings of a process but stand in environments of processes all the same."""


def _size(value: object) -> object:
    """A number of bytes from a text such as `512MB`, `1GiB` or `8388608`."""
    if not isinstance(value, str) or value.strip().lstrip("+-").isdigit():
        return value
    try:
        return int(TypeAdapter(ByteSize).validate_python(value.strip()))
    except ValueError:
        raise ValueError("it is no size in bytes, such as 8388608, 512MB or 1GiB") from None


Size: TypeAlias = Annotated[int, BeforeValidator(_size)]
"""A number of bytes: `8388608`; `512MB` is 512,000,000 bytes, `512MiB` is 536,870,912."""

Enrich: TypeAlias = Literal["auto", "true", "false"]
"""Which events a step of enrichment is applied to: what browsers send to POST /v1/events; all; none."""


FROM_FILES = (
    "queue_url",
    "queue_password",
    "store_url",
    "store_password",
    "sql_url",
    "sql_password",
    "enrich_salt",
    "access_url",
    "access_password",
    "access_secret",
    "oidc_client_secret",
)
"""Secret settings that may stand in a file, which `TALLYSTICK_<NAME>_FILE` names. (Files of keys may hold several keys
and add to those of the environment, so `access_keys` and `client_key` read them.)"""

SALT_CHARACTERS = 32
"""Fewest characters of `enrich_salt`: whoever guesses it can find the address of every visitor's id. The same of
`access_secret`."""

YES, NO = {"true", "1", "yes", "on", "y", "t"}, {"false", "0", "no", "off", "n", "f"}
"""Texts of a boolean in small letters: those that pydantic reads."""


class _Environment(EnvSettingsSource):
    """The environment, with the secrets in the files that it names. Options of commands win over both."""

    def __call__(self) -> dict[str, Any]:
        """Raises ConfigError: a file cannot be read or holds nothing, or its setting is given beside it."""
        given = super().__call__()
        for name in FROM_FILES:
            variable = f"TALLYSTICK_{name.upper()}"
            if file := given.get(f"{name}_file"):
                if given.get(name):
                    raise ConfigError(f"{variable} and {variable}_FILE are both set: keep one of them")
                given[name] = _secret_of(f"{variable}_FILE", file)
        return given


class Settings(BaseSettings):
    """One field, one environment variable: `TALLYSTICK_` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    # where
    data: Path = Field(DATA_FOLDER, description="Folder of the embedded queue and store.")
    data_group_readable: bool = Field(
        False,
        description="Let the data folder's group read it (0750, files 0640), such as for a tool that takes backups. "
        "Otherwise only its owner can (0700, 0600), whatever the umask; what was more open is closed at the start.",
    )
    queue_url: str = Field(
        "",
        repr=False,
        description="The queue: `sqlite:///path/queue.sqlite`, `redis://[user:password@]host[:port]/db` (`rediss://` "
        "for TLS, `?stream=name` for another name of its keys), `amqp://user:password@host[:port]/virtualhost` "
        "(`amqps://` for TLS, with `cafile` and others; `?queue=name` for another queue), "
        "`kafka://[user:password@]host:port[,host:port]/topic` (`kafkas://` for TLS, with `cafile` and others; "
        "`?group=`, `?partitions=`, `?mechanism=`) or `memory://`. Empty: SQLite in the data folder.",
    )
    queue_url_file: str = Field("", description="File that holds `TALLYSTICK_QUEUE_URL`, instead of it.")
    queue_password: SecretStr = Field(
        SecretStr(""),
        description="Password for `TALLYSTICK_QUEUE_URL`, where the URL has none. Any character may be in it.",
    )
    queue_password_file: str = Field("", description="File that holds `TALLYSTICK_QUEUE_PASSWORD`, instead of it.")
    store_url: str = Field(
        "",
        repr=False,
        description="The store: `duckdb:///path/store.duckdb`, `postgresql://[user:password@]host[:port]/database` or "
        "`clickhouse://[user:password@]host[:port]/database` (`clickhouses://` for TLS, with `cafile` and others; "
        "`clickhouse://host,host/database?cluster=NAME` for [several servers](cluster.md)). Empty: DuckDB in the data "
        "folder.",
    )
    store_url_file: str = Field("", description="File that holds `TALLYSTICK_STORE_URL`, instead of it.")
    store_password: SecretStr = Field(
        SecretStr(""),
        description="Password for `TALLYSTICK_STORE_URL`, where the URL has none. Any character may be in it.",
    )
    store_password_file: str = Field("", description="File that holds `TALLYSTICK_STORE_PASSWORD`, instead of it.")
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. Other addresses than loopback need keys for what the process serves, or "
        "`TALLYSTICK_TRUSTED_NETWORKS`.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    serve_writes: bool = Field(
        False,
        description="Let `tallystick serve` take events too, as `tallystick ingest` does: one address for both. It "
        "then needs write keys as well.",
    )

    # commands
    url: str = Field(
        "",
        description="For commands: address of the running server that they ask without `--url` and `--data`. Empty: "
        f"`{SERVER}`.",
    )
    debug: bool = Field(
        False,
        description="Print the traceback of an error that ends a process or a command, and debug logs, as "
        "`tallystick --debug` does.",
    )

    # keys
    write_keys: SecretStr = Field(
        SecretStr(""),
        description="Who may send events: entries `site=key` or `site=sha256:<64 hex digits>`, between them commas or "
        "white space; the site `*` is every site. A site may have several. `tallystick key write` makes one. Empty: "
        "every client that can reach the port.",
    )
    write_keys_file: str = Field(
        "", description="File with such entries, instead of or beside `TALLYSTICK_WRITE_KEYS`."
    )
    read_keys: SecretStr = Field(
        SecretStr(""),
        description="Who may read: entries as in `TALLYSTICK_WRITE_KEYS`. A key of one site sees that site alone; what "
        "spans all sites (books, dead letters) needs a key of `*`. `tallystick key read` makes one. Empty: every "
        "client "
        "that can reach the port.",
    )
    read_keys_file: str = Field("", description="File with such entries, instead of or beside `TALLYSTICK_READ_KEYS`.")
    read_origins: str = Field(
        "",
        description="Origins whose web pages may read what the APIs of other systems answer (docs/use/dialects.md): "
        "`https://dash.example`, several with commas between. With read keys every page may that sends one; without "
        "them only pages of this machine and of these origins.",
    )
    metrics_public: bool = Field(
        False,
        description="Answer `GET /metrics` without a key. On loopback it never needs one; elsewhere it needs a read "
        "key of `*`.",
    )
    key: SecretStr = Field(SecretStr(""), description="For commands: the key that they send to the server of `--url`.")
    key_file: str = Field("", description="For commands: file that holds that key, instead of `TALLYSTICK_KEY`.")

    # accounts
    access_url: str = Field(
        "",
        repr=False,
        description="Where the keys and accounts are kept that are made while the server runs: "
        "`sqlite:///path/access.db` or `postgresql://[user:password@]host[:port]/database`. Empty: the database of a "
        "`postgresql://` store; beside a DuckDB store, SQLite in the data folder; beside ClickHouse nowhere. See "
        "[access.md](access.md).",
    )
    access_url_file: str = Field("", description="File that holds `TALLYSTICK_ACCESS_URL`, instead of it.")
    access_password: SecretStr = Field(
        SecretStr(""), description="Password for `TALLYSTICK_ACCESS_URL`, where the URL has none."
    )
    access_password_file: str = Field("", description="File that holds `TALLYSTICK_ACCESS_PASSWORD`, instead of it.")
    access_secret: SecretStr = Field(
        SecretStr(""),
        description=f"Secret of at least {SALT_CHARACTERS} characters with which keys, links and logins are kept as "
        "keyed hashes. Processes on several machines need the same one. Empty: a random one in the data folder's file "
        "`access.secret`. With another secret no key, link or login is valid any more.",
    )
    access_secret_file: str = Field("", description="File that holds `TALLYSTICK_ACCESS_SECRET`, instead of it.")
    public_origin: str = Field(
        "",
        description="Address under which browsers reach this server, such as `https://stats.example`: links to invite "
        "persons begin with it, and with `https://` the cookie of a login is `Secure`. Empty: links begin with the "
        "address that the server listens on; the cookie is `Secure` when a trusted proxy says `X-Forwarded-Proto: "
        "https`.",
    )
    session_idle_hours: float = Field(
        168.0, gt=0, le=8760, description="Hours without a request after which a login is over."
    )
    session_max_hours: float = Field(720.0, gt=0, le=8760, description="Hours after which a login is over in any case.")

    # login with OpenID Connect
    oidc_issuer: str = Field(
        "",
        description="The OpenID provider with which persons log in, such as `https://id.example.org/realms/staff`: its "
        "`issuer`, letter by letter as its discovery document has it. Needs `TALLYSTICK_OIDC_CLIENT_ID` and "
        "`TALLYSTICK_PUBLIC_ORIGIN`. Empty: passwords only. See [access.md](access.md#login-with-openid-connect).",
    )
    oidc_client_id: str = Field("", description="What the provider calls this server: its client ID there.")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="The secret of that client. Empty: a public client, which has none."
    )
    oidc_client_secret_file: str = Field(
        "", description="File that holds `TALLYSTICK_OIDC_CLIENT_SECRET`, instead of it."
    )
    oidc_name: str = Field(
        "Single sign-on",
        min_length=1,
        max_length=60,
        description="What the login page calls the provider, after `Log in with`, such as `Keycloak`.",
    )
    oidc_timeout: float = Field(
        10.0,
        gt=0,
        le=300,
        description="Seconds for one answer of the provider. A login needs up to four, and waits twice as long.",
    )
    oidc_domains: str = Field(
        "",
        description="Domains of e-mail addresses, such as `example.org, example.com`: who logs in with a verified "
        "address of one of them gets an account without an invitation. Empty: nobody does.",
    )
    oidc_new_role: Literal["viewer", "editor", "owner"] = Field(
        "viewer", description="The role that such an account gets on each of `TALLYSTICK_OIDC_NEW_SITES`."
    )
    oidc_new_sites: str = Field(
        "", description="The sites of such an account: `shop`, several with commas between. Needed for the domains."
    )
    password_login: bool = Field(
        True,
        description="Let persons log in with passwords. `false`: by the OpenID provider alone; passwords that are "
        "there are kept, and links set none.",
    )

    # ingest limits
    max_body_bytes: Size = Field(
        8 * MIB,
        ge=KIB,
        description="Largest request body in bytes, before and after decompression; larger: 413.",
    )
    smolhog_max_body_bytes: Size = Field(
        32 * MIB,
        ge=KIB,
        description="Largest body of SmolHog's own routes in bytes, where it is more than `TALLYSTICK_MAX_BODY_BYTES`: "
        "its SDK sends in one request whatever it saved while it was offline.",
    )
    max_request_events: int = Field(5_000, ge=1, description="Most events in one request; more: 413.")
    max_event_bytes: Size = Field(
        64 * KIB,
        ge=KIB,
        description="Largest single event in bytes. A larger one is rejected alone; the request's other events are "
        "taken.",
    )
    body_timeout: float = Field(
        30.0,
        gt=0,
        description="Seconds in which a client must send a request's body; longer: 408.",
    )
    publish_timeout: float = Field(10.0, gt=0, description="Seconds until an unconfirmed publish becomes 503.")

    # enrichment
    enrich_agent: Enrich = Field(
        "auto",
        description="Add `$browser`, `$browser_version`, `$os`, `$device_type` and `$bot` from the User-Agent. `auto`: "
        "to what browsers send to `POST /v1/events`, as the snippet does; `true`: on every write route; see "
        "[enrichment.md](enrichment.md).",
    )
    enrich_page: Enrich = Field(
        "auto",
        description="Add `$host`, `$referring_domain`, `utm_…` and `$ad_click` from an event's URL and referrer, and "
        "its path. "
        "`auto`: to what browsers send to `POST /v1/events`; `true`: to every event, those of services too.",
    )
    own_domains: str = Field(
        "",
        description="Further domains of yours, such as `example.org, example.shop`: a visitor who comes from one of "
        "them or a subdomain has no referrer. The host of the page, those above and those below it count as "
        "yours in any case.",
    )
    path_trailing_slash: Literal["strip", "keep"] = Field(
        "strip",
        description="Whether paths that are read from URLs keep a slash at the end; `strip` makes `/about/` `/about`. "
        "A `path` that a client sends is never changed.",
    )
    path_case: Literal["keep", "lower"] = Field(
        "keep", description="Whether paths that are read from URLs are written in small letters: `/About` as `/about`."
    )
    path_decode: bool = Field(
        True,
        description="Decode paths that are read from URLs: `/caf%C3%A9` becomes `/café`, in the Unicode form NFC. "
        "Encoded slashes, question marks, percent signs and white space stay as they are.",
    )
    enrich_country_file: str = Field(
        "",
        description="File in MaxMind's format (`.mmdb`) that gives addresses a country, added as "
        "`$geoip_country_code`. It is read again when it changes. Empty: no country.",
    )
    enrich_visitor: Enrich = Field(
        "auto",
        description="Give events without `user_id` the id `visitor-…`: a keyed hash of site, address and User-Agent "
        "that lasts one UTC day. `auto`: to what browsers send to `POST /v1/events`; `true`: on every write route.",
    )
    enrich_salt_folder: str = Field(
        "",
        description="Folder of the day's key of those ids. Processes agree on them that share it; on several machines "
        "they need `TALLYSTICK_ENRICH_SALT`. Empty: the data folder.",
    )
    enrich_salt: SecretStr = Field(
        SecretStr(""),
        description=f"Secret of at least {SALT_CHARACTERS} characters from which each day's key is computed, instead "
        "of a random key in that folder: processes on several machines with the same secret give a visitor the same "
        "id. Whoever has the secret can compute the keys of past days too, so change it now and then. Empty: none.",
    )
    enrich_salt_file: str = Field("", description="File that holds `TALLYSTICK_ENRICH_SALT`, instead of it.")
    enrich_address: Literal["never", "truncated"] = Field(
        "never",
        description="Whether the client's address is stored, as `$ip`: `truncated` keeps the first 24 bits of IPv4, "
        "48 of IPv6. The whole address never is.",
    )
    bots: Literal["exclude", "include"] = Field(
        "exclude",
        description="Whether the events of bots (`$bot` is true) count in answers, unless a query says it with `bots` "
        "or names `$bot`. They are stored in any case; lists of events, exports, SQL and other systems' routes have "
        "them.",
    )
    trusted_proxies: str = Field(
        "",
        description="Proxies whose X-Forwarded-For is trusted: addresses or networks, between them commas or white "
        "space. Empty: none; the client is the peer of the connection.",
    )
    trusted_networks: str = Field(
        "",
        description="Networks whose clients need no key on the routes of other systems "
        "([dialects.md](../use/dialects.md)): addresses or networks, between them commas or white space, such as "
        "`10.1.0.0/16`. The native API and the dashboard ask for keys all the same. Empty: none. See "
        "[deployment.md](deployment.md#trusted-networks).",
    )
    trusted_hosts: str = Field(
        "",
        description="Names of this server under which trusted networks may read without a key, between them commas or "
        "white space. Addresses and names without a dot need not be listed.",
    )

    # browser snippet
    snippet_path: str = Field(
        "/js/tallystick.js",
        pattern=r"^/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$",
        description="Path of the script for web pages; see [snippet.md](../use/snippet.md). Another name than the "
        "default is "
        "on no ad blocker's list.",
    )
    snippet_endpoint: str = Field(
        "/v1/events",
        pattern=r"^/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$",
        description="Path to which that script sends, beside `/v1/events` another name of it.",
    )

    # queue
    queue_max_bytes: Size = Field(
        4 * GIB,
        ge=MIB,
        description="The queue's budget in bytes; reached: 503 with Retry-After.",
    )
    queue_takeover_seconds: float = Field(
        60.0,
        gt=0,
        description="Redis, Kafka: seconds without a sign of life after which the blocks of a worker go to another. "
        "(RabbitMQ notices at once that a connection is gone.) Kafka's brokers allow 45 to 60 seconds unless "
        "`group.consumer.min.session.timeout.ms` says less.",
    )
    quota_key_events: int = Field(
        0,
        ge=0,
        description="Events a second that may be sent with one write key; more: 429. Each process that takes events "
        "counts on its own. Without write keys all clients count as one key. 0: as many as there are.",
    )
    quota_key_bytes: Size = Field(
        0, ge=0, description="The same in bytes of events as they are queued, before compression. 0: no quota."
    )
    quota_site_events: int = Field(
        0,
        ge=0,
        description="Events a second that may be sent with all write keys of one site together. Keys of the site `*` "
        "do not count. 0: no quota.",
    )
    quota_site_bytes: Size = Field(0, ge=0, description="The same in bytes. 0: no quota.")
    quota_site_names: int = Field(
        10_000,
        ge=0,
        description="Different event names that a site may have; an event with a new one beyond them is rejected "
        "alone, events with known names go on. Products have tens to hundreds: ten thousand stops a client that writes "
        "ids into names before counts by name and lists of names get slow. 0: no quota.",
    )
    quota_site_properties: int = Field(
        0,
        ge=0,
        description="The same of property keys, of all events of a site. Off by default, since it adds about 30 % to "
        "the time of reading an event with four properties and 35 to 70 % with twelve, and properties are stored as "
        "JSON, whose keys cost little. 0: no quota.",
    )
    quota_burst: float = Field(
        10.0,
        ge=1,
        description="Seconds' worth of a quota that may be sent at once. A larger request is taken, and the next ones "
        "wait for it.",
    )
    block_max_events: int = Field(10_000, ge=1, description="Most events in one block of the queue.")
    block_max_bytes: Size = Field(
        4 * MIB,
        ge=KIB,
        description="Most bytes of canonical lines in one block, unless a single request is larger.",
    )
    rabbitmq_queue_type: Literal["quorum", "classic"] = Field(
        "quorum",
        description="Type of the queue on RabbitMQ. `classic` has neither a cluster's replicas nor an fsync before the "
        "202, so it needs `TALLYSTICK_ALLOW_WEAK_DURABILITY`.",
    )
    rabbitmq_prefetch: int = Field(
        256,
        ge=1,
        le=65_535,
        description="Most blocks that RabbitMQ delivers to a process before it acknowledges some; of large blocks it "
        "delivers fewer, about 64 MiB but at least 16 blocks. It has to be the same for all processes on a queue, "
        "because the books count with it.",
    )
    rabbitmq_heartbeat: int = Field(
        10,
        ge=1,
        le=3_600,
        description="Seconds between heartbeats to RabbitMQ: after twice as many the broker gives the blocks of a "
        "machine that went silent to another worker.",
    )
    disk_reserve_bytes: Size = Field(
        256 * MIB,
        ge=0,
        description="Free disk space that is never used: below it (or below the reserve fraction, whichever is "
        "smaller) ingest answers 503 and loading stops.",
    )
    disk_reserve_fraction: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Free part of the disk that is never used; see `TALLYSTICK_DISK_RESERVE_BYTES`.",
    )
    allow_weak_durability: bool = Field(
        False,
        description="Start although the queue or the store can lose accepted events: `memory://`, a Redis, RabbitMQ, "
        "Kafka or PostgreSQL whose settings are too weak.",
    )

    # worker
    batch_max_events: int = Field(65_536, ge=1, description="Most events in one transaction of the store.")
    batch_max_bytes: Size = Field(
        48 * MIB,
        ge=MIB,
        description="Most bytes of canonical lines in one transaction of the store.",
    )
    batch_max_age: float = Field(0.3, ge=0, description="Seconds a batch is collected before it is stored.")
    retry_max_delay: float = Field(
        5.0,
        gt=0,
        description="Longest pause in seconds between tries while the store is unavailable.",
    )
    dedupe_window_hours: float = Field(
        48.0,
        gt=0,
        description="Hours for which an event that is sent again with another timestamp is still recognised; with the "
        "same "
        "timestamp it always is.",
    )
    maintain_every: float = Field(
        10.0,
        gt=0,
        description="Seconds between housekeeping runs (property columns, rollup compaction, ledger compaction), which "
        "wait for moments when little waits to be stored.",
    )
    retention_days: float = Field(
        0.0,
        ge=0,
        description="Days for which events are kept; older ones are removed, whole UTC days by their own time, with "
        "their rollups. 0: for ever. Sites with a rule of their own (`tallystick retention`) follow it instead.",
    )
    retention_rollups: bool = Field(
        False,
        description="Whether rollups stay when retention removes their events: counts of events by name, source and "
        "quarter hour, and how many users each UTC day had. Sites whose rule says it follow their rule. Not on "
        "ClickHouse, which has no rollups.",
    )
    ledger_keep_hours: float = Field(
        168.0,
        ge=0,
        description="Hours for which each block keeps its own row in the ledger (and its receipt its details) before "
        "compaction adds it to a sum.",
    )

    # store and queries
    store_memory: Size = Field(
        256 * MIB,
        ge=64 * MIB,
        description="DuckDB's memory limit in bytes, for loading and queries together.",
    )
    store_spill: Size = Field(
        8 * GIB,
        ge=MIB,
        description="Most bytes of the disk that DuckDB may use for what does not fit into its memory while it sorts.",
    )
    store_threads: int = Field(2, ge=1, description="DuckDB's threads.")
    store_write_connections: int = Field(
        2,
        ge=1,
        description="Connections of a process to PostgreSQL or ClickHouse for storing and housekeeping.",
    )
    store_read_connections: int = Field(
        5,
        ge=1,
        description="Connections of a process to PostgreSQL or ClickHouse for queries, the ledger and dead letters; as "
        "many again for SQL statements, where `TALLYSTICK_SQL` allows them. Exports have connections of their own, "
        "`TALLYSTICK_EXPORT_CONCURRENCY` of them.",
    )
    store_acquire_timeout: float = Field(
        5.0,
        gt=0,
        description="Seconds to wait for a free connection to PostgreSQL or ClickHouse before answering 503.",
    )
    store_connect_timeout: float = Field(
        5.0,
        gt=0,
        description="Seconds for opening a connection to PostgreSQL or ClickHouse.",
    )
    store_write_timeout: float = Field(
        120.0,
        gt=0,
        description="Seconds that one statement that writes to PostgreSQL or ClickHouse may take; longer: it is tried "
        "again.",
    )
    query_timeout: float = Field(30.0, gt=0, description="Deadline of a query in seconds; later: 504.")
    query_memory: Size = Field(
        64 * MIB,
        ge=MIB,
        description="Bytes of PostgreSQL's memory that each sort and each hash table of a query may take; what does "
        "not fit goes to temporary files.",
    )
    query_concurrency: int = Field(
        3,
        ge=1,
        description="Queries that run at the same time; others wait within their deadline, each key in its turn. One "
        "key may run all of them but one, and of SQL statements (`TALLYSTICK_SQL`) all but two. Without keys all "
        "clients count as one key.",
    )
    export_concurrency: int = Field(
        4,
        ge=1,
        description="Exports and files that are made at the same time; more: 503. One key may have half of them; "
        "more: 429.",
    )
    export_idle: float = Field(
        30.0,
        gt=0,
        description="Seconds for which a client may read nothing of an export, a file or `GET /v1/live`; longer: the "
        "answer is broken off.",
    )
    sql: bool = Field(
        False,
        description="Answer `POST /v1/sql`: SQL that a caller with a read key writes; see [sql.md](../use/sql.md).",
    )
    sql_url: str = Field(
        "",
        repr=False,
        description="PostgreSQL, ClickHouse: URL of the store's database with the role or user that those statements "
        "run as. It may read what the statements may read and nothing else. `tallystick sql-role` prints the SQL that "
        "makes it.",
    )
    sql_url_file: str = Field("", description="File that holds `TALLYSTICK_SQL_URL`, instead of it.")
    sql_password: SecretStr = Field(
        SecretStr(""),
        description="Password for `TALLYSTICK_SQL_URL`, where the URL has none. Any character may be in it.",
    )
    sql_password_file: str = Field("", description="File that holds `TALLYSTICK_SQL_PASSWORD`, instead of it.")
    sql_rows: int = Field(10_000, ge=1, le=1_000_000, description="Most rows of the answer to an SQL statement.")
    sql_bytes: Size = Field(
        16 * MIB,
        ge=KIB,
        description="About how many bytes the rows of such an answer may have. Further rows are left out, and the "
        "answer "
        "says so.",
    )

    live_listeners: int = Field(
        50,
        ge=0,
        description="Most streams of `GET /v1/live` at the same time; more: 503.",
    )
    live_events_per_second: int = Field(
        20,
        ge=2,
        le=500,
        description="Most events a second that a stream of `GET /v1/live` shows; it counts the others.",
    )

    # connections
    connections: int = Field(
        0,
        ge=0,
        description="Most connections of a process. When all are open, a new one replaces the oldest idle one; "
        "without an "
        "idle one: 503. 0: three quarters of the descriptors that the system lets the "
        "process have (all but 256 where there are more than 1,024), at most 10,000.",
    )
    connections_per_address: int = Field(
        0,
        ge=0,
        description="Most connections from one address (IPv6: one /64 network); more: 429. Loopback and "
        "`TALLYSTICK_TRUSTED_PROXIES` may have all. 0: half of the connections.",
    )
    header_timeout: float = Field(
        20.0,
        gt=0,
        description="Seconds until the first byte on a new connection, and from a request's first byte to the end of "
        "its headers; longer: the connection is closed, in the second case with 408.",
    )
    send_timeout: float = Field(
        60.0,
        gt=0,
        description="Seconds after which a connection is closed whose client reads nothing of its answer.",
    )

    # process
    start_timeout: float = Field(
        60.0,
        ge=0,
        description="Seconds for which a start waits for a queue (and `tallystick serve` for a store) that cannot be "
        "reached yet. Workers wait for their store without limit.",
    )
    status_port: int = Field(
        8001,
        ge=0,
        le=65535,
        description="Port on which `tallystick work` answers /healthz, /readyz and /metrics; with "
        "`tallystick ingest --workers N` process n answers alone on this port + n. 0: none.",
    )
    drain_delay: float = Field(
        0.0,
        ge=0,
        description="Seconds after SIGTERM in which requests are still taken while /readyz answers 503, so that a "
        "proxy "
        "notices.",
    )
    shutdown_timeout: float = Field(8.0, gt=0, description="Seconds for requests in flight after SIGTERM.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="Least severe log line to print.",
    )
    log_accepted: bool = Field(
        True,
        description="Log each accepted request: its `X-Request-ID` and its receipt, in one line for all requests of a "
        "block.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto",
        description="`auto`: for people on a terminal, JSON otherwise.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values that are given to the class, then the environment with the files of secrets that it names."""
        return init_settings, _Environment(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _urls_with_passwords(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Put the passwords into their URLs, so that a URL is all that a queue or store needs."""
        given = dict(given)
        for name in ("queue", "store", "sql", "access"):
            url, password = given.get(f"{name}_url"), given.get(f"{name}_password")
            if isinstance(password, SecretStr):
                password = password.get_secret_value()
            if url and password:
                given[f"{name}_url"] = _with_password(f"TALLYSTICK_{name.upper()}", str(url), str(password))
                given[f"{name}_password"] = ""  # the URL has it now
        return given

    @field_validator("enrich_salt", "access_secret")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SALT_CHARACTERS:
            raise ValueError(f"it has fewer than {SALT_CHARACTERS} characters; `openssl rand -hex 32` makes one")
        return value

    @field_validator("public_origin")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        value = value.strip().rstrip("/").lower()
        if value and not _ORIGIN.fullmatch(value):
            raise ValueError(f"{value!r} is no address without a path such as https://stats.example")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        """Discovery 1.0, section 3: https, without query and fragment. On loopback http is allowed."""
        value = value.strip()
        if not value:
            return value
        parts = urlsplit(value)
        if not parts.hostname or parts.query or parts.fragment or not safe_address(value):
            raise ValueError(f"{value!r} is no address such as https://id.example.org/realms/staff")
        return value

    @field_validator("oidc_domains")
    @classmethod
    def _are_domains(cls, value: str) -> str:
        for domain in entries_of(value):
            if not _DOMAIN.fullmatch(domain):
                raise ValueError(f"{domain!r} is no domain such as example.org")
        return value

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("read_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in filter(None, map(str.strip, value.split(","))):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin such as https://dash.example or http://10.0.0.5:3000")
        return value

    @field_validator("enrich_agent", "enrich_page", "enrich_visitor", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        """Read a switch as pydantic reads a bool: these settings had no `auto` once."""
        text = str(value).strip().lower()
        return "true" if text in YES else "false" if text in NO else text

    @field_validator("write_keys", "read_keys")
    @classmethod
    def _hashed(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        """Replace plain keys with their hashes.

        Raises ConfigError, because a ValidationError would show its input, the keys.
        """
        return SecretStr(keys.hashed(value.get_secret_value(), f"TALLYSTICK_{info.field_name}".upper()))

    def access_keys(self) -> Keys:
        """Both kinds of keys, those in files included. Reads the files.

        Raises:
            ConfigError: a file cannot be read, an entry is malformed, or a key stands twice.
        """
        return Keys(
            _all_keys("TALLYSTICK_WRITE_KEYS", self.write_keys, self.write_keys_file),
            _all_keys("TALLYSTICK_READ_KEYS", self.read_keys, self.read_keys_file),
        )

    def origins_that_read(self) -> frozenset[str]:
        """The origins of `read_origins`, in the form in which browsers send them."""
        return frozenset(origin.strip().lower() for origin in self.read_origins.split(",") if origin.strip())

    def client_key(self) -> SecretStr:
        """The key that commands send to a server; empty when none is set.

        Raises:
            ConfigError: the text is not one key, or the file cannot be read.
        """
        name = "TALLYSTICK_KEY_FILE" if self.key_file else "TALLYSTICK_KEY"
        text = _text_of(name, self.key_file) if self.key_file else self.key.get_secret_value()
        key = text.strip()
        if (key or self.key_file) and not (key.isascii() and key.isprintable() and len(key.split()) == 1):
            raise ConfigError(f"{name}: that is not one key")
        return SecretStr(key)

    def in_process(self) -> Settings:
        """These settings for a pipeline inside a command, which no network reaches: without keys and SQL."""
        none = SecretStr("")
        unlocked = {"write_keys": none, "write_keys_file": "", "read_keys": none, "read_keys_file": ""}
        unlocked["sql"] = False
        unlocked |= {"oidc_issuer": "", "oidc_client_id": "", "oidc_domains": "", "password_login": True}
        return self.model_copy(update={"host": "127.0.0.1", **unlocked})

    @property
    def enrichment(self) -> dict[str, Enrich]:
        """Which steps of enrichment are on, and for which events."""
        return {
            "agent": self.enrich_agent,
            "page": self.enrich_page,
            "visitor": self.enrich_visitor,
            "country": "true" if self.enrich_country_file else "false",
            "address": "false" if self.enrich_address == "never" else "true",
        }

    @property
    def resolved_queue_url(self) -> str:
        """Raises ConfigError: see `data_folder`."""
        return self.queue_url or f"sqlite:///{self.data_folder / 'queue.sqlite'}"

    @property
    def resolved_store_url(self) -> str:
        """Raises ConfigError: see `data_folder`."""
        return self.store_url or f"duckdb:///{self.data_folder / 'store.duckdb'}"

    @property
    def resolved_access_url(self) -> str:
        """Empty: nowhere. Raises ConfigError: see `data_folder`."""
        store = self.resolved_store_url
        if self.access_url:
            return self.access_url
        if store.startswith(("postgresql:", "postgres:")):
            return store
        return f"sqlite:///{self.data_folder / 'access.db'}" if store.startswith("duckdb:") else ""

    @property
    def data_folder(self) -> Path:
        """`data`, for what is opened or made in it.

        Raises:
            ConfigError: the default folder is not there, but the one of before the renaming is. A new, empty folder
                beside it would look like lost data.
        """
        if self.data == DATA_FOLDER and not DATA_FOLDER.exists() and OLD_DATA_FOLDER.is_dir():
            raise ConfigError(
                f"the default data folder is ./{DATA_FOLDER} now, and ./{OLD_DATA_FOLDER} is still here: rename it to "
                f"{DATA_FOLDER}, or set TALLYSTICK_DATA=./{OLD_DATA_FOLDER}"
            )
        return self.data


def refuse_old_variables() -> None:
    """Refuse to start with settings under their old names: ignoring `RUNNEL_READ_KEYS` would open the server to all.

    One whose new name is set too is left alone. Values are never shown.

    Raises:
        ConfigError: names them all, and their new names.
    """
    given = {name.upper() for name in os.environ}
    fields = [name.upper() for name in Settings.model_fields]
    old = [name for name in fields if OLD_PREFIX + name in given and f"TALLYSTICK_{name}" not in given]
    if old:
        names, verb = _listed(OLD_PREFIX, old), "is" if len(old) == 1 else "are"
        raise ConfigError(f"{names} {verb} not read any more: set {_listed('TALLYSTICK_', old)} instead")


def refuse_unknown_variables() -> None:
    """Refuse to start with a variable that looks like a setting and is none.

    A misspelt `TALLYSTICK_READ_KEYS` would be ignored, and open the server to all. Values are never shown.

    Raises:
        ConfigError: names the variables, each with the setting of the nearest name.
    """
    stems = [name.upper() for name in Settings.model_fields]
    known = NO_SETTINGS.union(PREFIX + stem for stem in stems)
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise ConfigError("; ".join(_unknown(name, stems) for name in unknown))


def _unknown(name: str, stems: list[str]) -> str:
    stem = name.upper().removeprefix(PREFIX)
    likely = difflib.get_close_matches(stem, stems, n=1, cutoff=0.6)
    nearest = likely or difflib.get_close_matches(stem, stems, n=1, cutoff=0.0)
    advice = f"did you mean {PREFIX}{nearest[0]}?" if likely else f"the nearest name is {PREFIX}{nearest[0]}"
    return f"{name} is no setting: {advice}"


def plain_keys(settings: Settings) -> dict[str, list[int]]:
    """How many characters each key has that is not hashed, by the variable that has it or names its file.

    Raises:
        ConfigError: a file cannot be read.
    """
    given = {name.upper(): value for name, value in os.environ.items()}
    texts = {f"{PREFIX}{name}": given.get(f"{PREFIX}{name}", "") for name in ("WRITE_KEYS", "READ_KEYS")}
    for name, file in (("WRITE_KEYS", settings.write_keys_file), ("READ_KEYS", settings.read_keys_file)):
        if file:
            texts[f"{PREFIX}{name}_FILE"] = _text_of(f"{PREFIX}{name}_FILE", file)
    return {variable: lengths for variable, text in texts.items() if (lengths := keys.plain_lengths(text))}


def debugging() -> bool:
    """Whether tracebacks are wanted. Reads the environment alone, so that it can be asked when settings are wrong."""
    given = {name.upper(): value.strip().lower() for name, value in os.environ.items()}
    return given.get(f"{PREFIX}DEBUG", "") in YES or given.get(f"{PREFIX}LOG_LEVEL", "") == "debug"


def _listed(prefix: str, names: list[str]) -> str:
    *first, last = (prefix + name for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def _all_keys(name: str, given: SecretStr, file: str) -> dict[bytes, str]:
    found = keys.parse(given.get_secret_value(), name)
    if not file:
        return found
    more = keys.parse(_text_of(f"{name}_FILE", file), f"{name}_FILE")
    if not more:  # an empty secret must not open what it was to guard
        raise ConfigError(f"{name}_FILE: {file} holds no key")
    if found.keys() & more.keys():
        raise ConfigError(f"{name}_FILE: {file} has a key that {name} has too")
    return found | more


def _text_of(name: str, file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"{name}: {file} cannot be read: {reason}") from None


def _secret_of(name: str, file: str) -> str:
    """A file's text without the end of its last line."""
    secret = _text_of(name, file).removesuffix("\n").removesuffix("\r")
    if not secret:
        raise ConfigError(f"{name}: {file} is empty")
    return secret


def _with_password(name: str, url: str, password: str) -> str:
    try:
        parts = split_url(url)
        known = parts.password
    except ValueError:
        return url  # whoever uses it says what is wrong with it
    if known:
        raise ConfigError(f"{name}_URL has a password, and {name}_PASSWORD is set too: keep one of them")
    if parts.scheme in ("sqlite", "duckdb", "memory"):
        raise ConfigError(f"{name}_PASSWORD is set, and {name}_URL is no server: remove one of them")
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.removesuffix(':')}:{quote(password, safe='')}@{host}").geturl()


def entries_of(text: str) -> list[str]:
    """The entries of a setting that has several, with commas between."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def safe_address(url: str) -> bool:
    """Whether secrets may be sent to this address: over TLS, or within this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and keys.is_loopback(host)))


_WITH_SERVERS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)")


def split_url(url: str) -> SplitResult:
    """The parts of a queue's or store's URL, which may name several servers.

    `urlsplit` takes a list for one server, and refuses `one:9092,[::1]:9092` since CVE-2025-0938 was mended in it.

    Raises:
        ValueError: it is no URL.
    """
    found = _WITH_SERVERS.fullmatch(url.strip())
    if found is None:
        return urlsplit(url)
    scheme, servers, rest = found.groups()
    return urlsplit(f"{scheme}://{rest}")._replace(netloc=servers)


def shown_url(url: str) -> str:
    """A queue's or store's URL for messages: without user, password and parameters."""
    parts = split_url(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


_FILES = {"cafile", "certfile", "keyfile", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"} | {
    "sslrootcert",
    "sslcert",
    "sslkey",
}
"""Parameters of queues' and stores' URLs that name a file."""


def check_files(variable: str, url: str) -> None:
    """Refuse a queue's or store's URL that names a certificate or key which cannot be read: drivers do not say which.

    Raises:
        ConfigError: names the variable, the parameter and the file.
    """
    for name, value in parse_qsl(split_url(url).query):
        if name in _FILES and value and not (name == "sslrootcert" and value == "system"):
            try:
                Path(value).open("rb").close()
            except OSError as error:
                raise ConfigError(f"{variable}: {name}: {value} cannot be read: {error.strerror}") from None


def url_path(url: str) -> Path:
    """The file of an embedded backend's URL: `sqlite:///relative` and `sqlite:////absolute`.

    Raises:
        ConfigError: the URL names no file.
    """
    path = url.partition(":///")[2]
    if not path:
        raise ConfigError(f"{url!r} names no file: write it as sqlite:///path or duckdb:///path")
    return Path(path)

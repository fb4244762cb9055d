"""Settings: every limit, time-out, batch size and path, with its name, default and help.

Only this module reads the environment.

docs/run/configuration.md is generated from this file (`make docs`); a test fails when it is stale.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tallystick import keys
from tallystick.errors import ConfigError
from tallystick.keys import Keys

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
DATA_FOLDER = Path("tallystick-data")
OLD_PREFIX = "RUNNEL_"
OLD_DATA_FOLDER = Path("runnel-data")
"""Prefix of the settings and default data folder of the time before the project was called Tallystick."""


class Settings(BaseSettings):
    """One field, one environment variable: `TALLYSTICK_` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="TALLYSTICK_", frozen=True, extra="ignore", hide_input_in_errors=True)

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
        "(`amqps://` for TLS, with `cafile` and others; `?queue=name` for another queue) or `memory://`. Empty: SQLite "
        "in the data folder.",
    )
    store_url: str = Field(
        "",
        description="The store: `duckdb:///path/store.duckdb` or `postgresql://[user:password@]host[:port]/database`. "
        "Empty: DuckDB in the data folder.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. Other addresses than loopback need keys for what the process serves.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")

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
    metrics_public: bool = Field(
        False,
        description="Answer `GET /metrics` without a key. On loopback it never needs one; elsewhere it needs a read "
        "key of `*`.",
    )
    key: SecretStr = Field(SecretStr(""), description="For commands: the key that they send to the server of `--url`.")
    key_file: str = Field("", description="For commands: file that holds that key, instead of `TALLYSTICK_KEY`.")

    # ingest limits
    max_body_bytes: int = Field(
        8 * MIB,
        ge=KIB,
        description="Largest request body in bytes, before and after decompression; larger: 413.",
    )
    max_request_events: int = Field(5_000, ge=1, description="Most events in one request; more: 413.")
    max_event_bytes: int = Field(
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
    enrich_agent: bool = Field(
        False,
        description="Add `$browser`, `$browser_version`, `$os`, `$device_type` and `$bot` from the User-Agent; see "
        "[enrichment.md](enrichment.md).",
    )
    enrich_page: bool = Field(
        False,
        description="Add `$referring_domain`, `utm_…` and `$ad_click` from an event's URL and referrer, and its path.",
    )
    enrich_country_file: str = Field(
        "",
        description="File in MaxMind's format (`.mmdb`) that gives addresses a country, added as "
        "`$geoip_country_code`. It is read again when it changes. Empty: no country.",
    )
    enrich_visitor: bool = Field(
        False,
        description="Give events without `user_id` the id `visitor-…`: a keyed hash of site, address and User-Agent "
        "that lasts one UTC day.",
    )
    enrich_salt_folder: str = Field(
        "",
        description="Folder of the day's key of those ids. Processes on several machines need a shared one to agree "
        "on them. Empty: the data folder.",
    )
    enrich_address: Literal["never", "truncated"] = Field(
        "never",
        description="Whether the client's address is stored, as `$ip`: `truncated` keeps the first 24 bits of IPv4, "
        "48 of IPv6. The whole address never is.",
    )
    trusted_proxies: str = Field(
        "",
        description="Proxies whose X-Forwarded-For is trusted: addresses or networks, between them commas or white "
        "space. Empty: none; the client is the peer of the connection.",
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
    queue_max_bytes: int = Field(
        4 * GIB,
        ge=MIB,
        description="The queue's budget in bytes; reached: 503 with Retry-After.",
    )
    queue_takeover_seconds: float = Field(
        60.0,
        gt=0,
        description="Redis: seconds without a sign of life after which the blocks of a worker go to another. "
        "(RabbitMQ notices at once that a connection is gone.)",
    )
    block_max_events: int = Field(10_000, ge=1, description="Most events in one block of the queue.")
    block_max_bytes: int = Field(
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
        description="Most blocks that RabbitMQ delivers to a process before it acknowledges some. It has to be the "
        "same "
        "for all processes on a queue, because the books count with it.",
    )
    rabbitmq_heartbeat: int = Field(
        10,
        ge=1,
        le=3_600,
        description="Seconds between heartbeats to RabbitMQ: after twice as many the broker gives the blocks of a "
        "machine that went silent to another worker.",
    )
    disk_reserve_bytes: int = Field(
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
        description="Start although the queue or the store can lose accepted events: `memory://`, a Redis, RabbitMQ or "
        "PostgreSQL whose settings are too weak.",
    )

    # worker
    batch_max_events: int = Field(65_536, ge=1, description="Most events in one transaction of the store.")
    batch_max_bytes: int = Field(
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
        "their rollups. 0: for ever.",
    )
    ledger_keep_hours: float = Field(
        168.0,
        ge=0,
        description="Hours for which each block keeps its own row in the ledger (and its receipt its details) before "
        "compaction adds it to a sum.",
    )

    # store and queries
    store_memory: int = Field(
        256 * MIB,
        ge=64 * MIB,
        description="DuckDB's memory limit in bytes, for loading and queries together.",
    )
    store_spill: int = Field(
        8 * GIB,
        ge=MIB,
        description="Most bytes of the disk that DuckDB may use for what does not fit into its memory while it sorts.",
    )
    store_threads: int = Field(2, ge=1, description="DuckDB's threads.")
    store_write_connections: int = Field(
        2,
        ge=1,
        description="PostgreSQL connections of a process for storing and housekeeping.",
    )
    store_read_connections: int = Field(
        5,
        ge=1,
        description="PostgreSQL connections of a process for queries, the ledger and dead letters; as many again for "
        "SQL statements, where `TALLYSTICK_SQL` allows them. Exports have connections of their own, "
        "`TALLYSTICK_EXPORT_CONCURRENCY` of them.",
    )
    store_acquire_timeout: float = Field(
        5.0,
        gt=0,
        description="Seconds to wait for a free PostgreSQL connection before answering 503.",
    )
    store_connect_timeout: float = Field(
        5.0,
        gt=0,
        description="Seconds for opening a PostgreSQL connection.",
    )
    store_write_timeout: float = Field(
        120.0,
        gt=0,
        description="Seconds that one statement that writes to PostgreSQL may take; longer: it is tried again.",
    )
    query_timeout: float = Field(30.0, gt=0, description="Deadline of a query in seconds; later: 504.")
    query_memory: int = Field(
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
        description="PostgreSQL: URL of the store's database with the role that those statements run as. The role may "
        "read what the statements may read and nothing else. `tallystick sql-role` prints the SQL that makes it.",
    )
    sql_rows: int = Field(10_000, ge=1, le=1_000_000, description="Most rows of the answer to an SQL statement.")
    sql_bytes: int = Field(
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
    log_format: Literal["auto", "console", "json"] = Field(
        "auto",
        description="`auto`: for people on a terminal, JSON otherwise.",
    )

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

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
        return self.model_copy(update={"host": "127.0.0.1", **unlocked})

    @property
    def resolved_queue_url(self) -> str:
        """Raises ConfigError: see `data_folder`."""
        return self.queue_url or f"sqlite:///{self.data_folder / 'queue.sqlite'}"

    @property
    def resolved_store_url(self) -> str:
        """Raises ConfigError: see `data_folder`."""
        return self.store_url or f"duckdb:///{self.data_folder / 'store.duckdb'}"

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


def shown_url(url: str) -> str:
    """A queue's or store's URL for messages: without user, password and parameters."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def url_path(url: str) -> Path:
    """The file of an embedded backend's URL: `sqlite:///relative` and `sqlite:////absolute`.

    Raises:
        ConfigError: the URL names no file.
    """
    path = url.partition(":///")[2]
    if not path:
        raise ConfigError(f"{url!r} names no file: write it as sqlite:///path or duckdb:///path")
    return Path(path)

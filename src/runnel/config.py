"""Settings: every limit, time-out, batch size and path, with its name, default and help. The only environment reader.

docs/configuration.md is generated from this file (`make docs`); a test fails when it is stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runnel.errors import ConfigError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Settings(BaseSettings):
    """One field, one environment variable: `RUNNEL_` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="RUNNEL_", frozen=True, extra="ignore")

    # where
    data: Path = Field(Path("runnel-data"), description="Folder of the embedded queue and store.")
    queue_url: str = Field(
        "",
        description="The queue: `sqlite:///path/queue.sqlite` or `memory://`. Empty: SQLite in the data folder.",
    )
    store_url: str = Field(
        "",
        description="The store: `duckdb:///path/store.duckdb`. Empty: DuckDB in the data folder.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. Anything but loopback is refused while there are no keys.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")

    # ingest limits
    max_body_bytes: int = Field(
        8 * MIB, ge=KIB,
        description="Largest request body in bytes, before and after decompression; larger: 413.",
    )
    max_request_events: int = Field(5_000, ge=1, description="Most events in one request; more: 413.")
    max_event_bytes: int = Field(
        64 * KIB, ge=KIB,
        description="Largest single event in bytes; a larger one is rejected, the others of the request are not.",
    )
    body_timeout: float = Field(
        30.0, gt=0,
        description="Seconds a client may take to send a request's body; longer: 408.",
    )
    publish_timeout: float = Field(10.0, gt=0, description="Seconds until an unconfirmed publish becomes 503.")

    # queue
    queue_max_bytes: int = Field(
        4 * GIB, ge=MIB,
        description="The queue's budget in bytes; reached: 503 with Retry-After.",
    )
    block_max_events: int = Field(10_000, ge=1, description="Most events in one block of the queue.")
    block_max_bytes: int = Field(
        4 * MIB, ge=KIB,
        description="Most bytes of canonical lines in one block, unless a single request is larger.",
    )
    disk_reserve_bytes: int = Field(
        256 * MIB, ge=0,
        description="Free disk space that is never used: below it (or below the reserve fraction, whichever is "
        "smaller) ingest answers 503 and loading stops.",
    )
    disk_reserve_fraction: float = Field(
        0.05, ge=0, lt=1,
        description="Free part of the disk that is never used; see disk_reserve_bytes.",
    )
    allow_weak_durability: bool = Field(
        False,
        description="Start although the queue can lose accepted events (memory).",
    )

    # worker
    batch_max_events: int = Field(65_536, ge=1, description="Most events in one transaction of the store.")
    batch_max_bytes: int = Field(
        48 * MIB, ge=MIB,
        description="Most bytes of canonical lines in one transaction of the store.",
    )
    batch_max_age: float = Field(0.3, ge=0, description="Seconds a batch is collected before it is stored.")
    retry_max_delay: float = Field(
        5.0, gt=0,
        description="Longest pause in seconds between tries while the store is unavailable.",
    )
    dedupe_window_hours: float = Field(
        48.0, gt=0,
        description="How long an event sent again with another timestamp is still recognised; with the same timestamp "
        "it always is.",
    )
    maintain_every: float = Field(
        10.0, gt=0,
        description="Seconds between housekeeping runs (property columns, rollup compaction, ledger fold), which wait "
        "for moments when little waits to be stored.",
    )
    ledger_keep_hours: float = Field(
        168.0, ge=0,
        description="How long each block keeps its own row in the ledger (and its receipt its details) before it is "
        "folded into a sum.",
    )

    # store and queries
    store_memory: int = Field(
        256 * MIB, ge=64 * MIB,
        description="DuckDB's memory limit in bytes, for loading and queries together.",
    )
    store_threads: int = Field(2, ge=1, description="DuckDB's threads.")
    query_timeout: float = Field(30.0, gt=0, description="Deadline of a query in seconds; later: 504.")
    query_concurrency: int = Field(
        2, ge=1,
        description="Queries that run at the same time; others wait within their deadline.",
    )

    # process
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

    @property
    def resolved_queue_url(self) -> str:
        return self.queue_url or f"sqlite:///{self.data / 'queue.sqlite'}"

    @property
    def resolved_store_url(self) -> str:
        return self.store_url or f"duckdb:///{self.data / 'store.duckdb'}"


def url_path(url: str) -> Path:
    """The file of an embedded backend's URL: `sqlite:///relative` and `sqlite:////absolute`.

    Raises:
        ConfigError: the URL names no file.
    """
    path = url.partition(":///")[2]
    if not path:
        raise ConfigError(f"{url!r} names no file: write it as sqlite:///path or duckdb:///path")
    return Path(path)

"""From a query to its HTTP answer: JSON with its freshness, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tallystick.analysis.bots import BOT_FIELD
from tallystick.api.access.scoped_store import ScopedStore
from tallystick.api.dependencies import Parts
from tallystick.api.files import result as result_file
from tallystick.api.files.format import FileFormat
from tallystick.api.responses import json_answer
from tallystick.errors import InvalidRequest, TallystickError
from tallystick.model import query as model

LISTS = ("events", "keys", "values", "person")
"""Kinds of queries that show what was stored and how, bots too."""


def require_json(request: Request) -> None:
    """Refuse a body that is not declared as JSON: a browser sends other types across sites without a CORS preflight."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send the body as JSON, with the header Content-Type: application/json")


async def answer_query(
    parts: Parts,
    store: ScopedStore,
    query: model.Query,
    form: FileFormat | None = None,
    name: str = "",
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """Run the query; answer with its result and freshness, or with a file.

    Args:
        form: the file's format; None: a plain JSON answer.
        name: the file's name; empty: the query's kind.
        more: fields that the JSON answer has beside those of the result.
    """
    check_range(query)
    query = with_bots_decided(parts, query)
    if form is not None and form != "json":
        return await result_file.as_file(parts, partial(run_query, parts, store), query, form, name or query.kind)
    result = await run_query(parts, store, query)
    headers = None if form is None else result_file.disposition(name or query.kind, form)
    return json_answer({**await _fields(parts, result), **more}, headers=headers)


def with_bots_decided(parts: Parts, query: model.Query) -> model.Query:
    """The query, which says by itself whether bots count. Lists of what was stored have them, numbers do not.

    A query that names `$bot`, in a filter or a breakdown, is about bots: then they count.
    """
    if query.bots is not None or query.kind in LISTS:
        return query
    if f'"{BOT_FIELD}"' in query.model_dump_json(exclude_defaults=True):
        return query
    return query.model_copy(update={"bots": parts.settings.bots})


async def run_query(parts: Parts, store: ScopedStore, query: model.Query) -> model.Result:
    """The query's result, counted in the metrics. Raises what `ScopedStore.run` raises."""
    try:
        with parts.metrics.query_seconds.labels(query.kind).time():
            return await store.run(query)
    except TallystickError as error:
        parts.metrics.query_failures.labels(query.kind, error.code).inc()
        raise


def check_range(query: model.Scope) -> None:
    """Raises InvalidRequest when an edge of the time range, in UTC, lies outside the years 1 to 9999."""
    for name, moment in (("since", query.since), ("until", query.until)):
        try:
            if moment is not None:
                moment.astimezone(UTC)
        except OverflowError as error:
            raise InvalidRequest(f"{name}: {moment} lies outside of the years 1 to 9999 in UTC") from error


async def _fields(parts: Parts, result: model.Result) -> dict[str, Any]:
    return {
        "rows": result.rows,
        "next_cursor": result.next_cursor,
        **({"previous": result.previous.model_dump()} if result.previous is not None else {}),
        "exact": result.exact,
        "from_rollup": result.from_rollup,
        **({"events_from": result.events_from} if result.events_from is not None else {}),
        "elapsed_ms": result.elapsed_ms,
        "freshness": await _freshness(parts, result),
    }


async def _freshness(parts: Parts, result: model.Result) -> dict[str, Any]:
    """While the queue is out of reach its lag is left out: null would say that no event waits."""
    freshness: dict[str, Any] = {"loaded_at": result.freshness.loaded_at}
    with suppress(TallystickError):
        freshness["queue_lag_seconds"] = (await parts.queue.depth()).oldest_age
    return freshness

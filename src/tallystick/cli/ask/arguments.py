"""What is typed after `tallystick query` → a question, as POST /v1/query takes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tallystick.api.parameters import ScopeParams, formula_fields
from tallystick.api.responses import understood
from tallystick.errors import ConfigError
from tallystick.model.queries.scope import check_timezone
from tallystick.model.query import COLUMNS, MetricsQuery

LABEL_MAX = 60
DAYS = 7
"""Days that are shown when no time is given, today included."""

_METRIC = re.compile(r"(?P<kind>[a-z0-9_]+)(?P<key>:[^\[\]]+)?(?P<tests>(?:\[[^\[\]]+\])*)")
_TEST = re.compile(rf"(?P<field>{'|'.join(COLUMNS)}|properties\.[^:=!<>~]+)(?P<op>!=|=|>|<|~)(?P<value>.*)", re.DOTALL)
_OPERATORS = {"~": "contains"}


@dataclass(frozen=True)
class Typed:
    """The command's arguments; None and empty are what was not typed."""

    metrics: Sequence[str]
    by: Sequence[str]
    since: str | None
    until: str | None
    interval: str | None
    timezone: str
    filters: Sequence[str]
    formulas: Sequence[str]
    compare: bool
    top: int | None
    other: bool
    site: str | None


def question_of(typed: Typed, now: datetime) -> dict[str, Any]:
    """The body of the request.

    Raises:
        ConfigError, InvalidRequest: something that was typed cannot be understood.
    """
    try:
        zone = ZoneInfo(check_timezone(typed.timezone))
    except ValueError as error:
        raise ConfigError(f"--timezone: {error}") from error
    first_day = now.astimezone(zone).date() - timedelta(days=DAYS - 1)
    interval = typed.interval or (None if typed.by else "day")
    scope = {
        "since": typed.since or first_day.isoformat(),
        "until": None if typed.until == "now" else typed.until,
        "timezone": typed.timezone,
        "filter": [_test(text) for text in typed.filters],
        **({} if typed.site is None else {"site_id": typed.site}),
    }
    own = {
        "kind": "metrics",
        "metrics": [_metric(text, now) for text in typed.metrics or ("events", "users")],
        "formulas": [formula_fields(text) for text in typed.formulas],
        "timezone": typed.timezone,
        "interval": None if interval == "none" else interval,
        "breakdown": list(typed.by),
        "top": typed.top,
        "other": typed.other,
        "compare": "previous" if typed.compare else None,
    }
    query = understood(MetricsQuery, {**understood(ScopeParams, scope).scope(now), **own})
    body: dict[str, Any] = query.model_dump(mode="json", exclude_unset=True)
    return body


def _metric(text: str, now: datetime) -> dict[str, Any]:
    found = _METRIC.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is no metric such as events, sum:amount or 'events[name=signup]'")
    metric: dict[str, Any] = {"kind": found["kind"]}
    if found["key"]:
        metric["property"] = found["key"][1:]
    if found["tests"]:
        tests = [_test(test) for test in found["tests"][1:-1].split("][")]
        scope = understood(ScopeParams, {"filter": tests}).scope(now)
        metric |= {"filter": scope["filter"], "name": text[:LABEL_MAX]}
    return metric


def _test(text: str) -> str:
    """`field=value` in the form of the API, which is accepted too: `field:=:value`."""
    found = _TEST.fullmatch(text)
    return text if found is None else f"{found['field']}:{_OPERATORS.get(found['op'], found['op'])}:{found['value']}"

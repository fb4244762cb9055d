"""The arguments of `tallystick query`, turned into the body of POST /v1/query."""

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
"""Days that are shown when no time is given, including today."""

_METRIC = re.compile(r"(?P<kind>[a-z0-9_]+)(?P<key>:[^\[\]]+)?(?P<tests>(?:\[[^\[\]]+\])*)")
_FIELD = rf"{'|'.join(COLUMNS)}|(?:session|properties)\.[^:=!<>~]+"
_TEST = re.compile(rf"(?P<field>{_FIELD})(?P<op>!=|=|>|<|~)(?P<value>.*)", re.DOTALL)
_OTHER_OPERATOR = re.compile(
    rf"(?P<field>{_FIELD})(?P<op>===?|!==|<>|>=|<=|=>|=<|=~|!~|~=)(?P<value>.*)",
    re.DOTALL,
)
"""A condition as other languages write it: read with the operators here, its value would begin with a sign."""
_OPERATOR_HERE = {"==": "=", "===": "=", "!==": "!=", "<>": "!=", "=~": "~", "~=": "~"}
_OPERATORS = {"~": "contains"}


@dataclass(frozen=True)
class QueryArguments:
    """The arguments of the command. None and empty: not given."""

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
    bots: bool = False


def request_body(arguments: QueryArguments, now: datetime) -> dict[str, Any]:
    """The body of the request.

    Raises:
        ConfigError, InvalidRequest: an argument is invalid; the message names it.
    """
    try:
        zone = ZoneInfo(check_timezone(arguments.timezone))
    except ValueError as error:
        raise ConfigError(f"--timezone: {error}") from error
    first_day = now.astimezone(zone).date() - timedelta(days=DAYS - 1)
    interval = arguments.interval or (None if arguments.by else "day")
    scope = {
        "since": arguments.since or first_day.isoformat(),
        "until": None if arguments.until == "now" else arguments.until,
        "timezone": arguments.timezone,
        "filter": [condition(text) for text in arguments.filters],
        **({} if arguments.site is None else {"site_id": arguments.site}),
        **({"bots": "include"} if arguments.bots else {}),
    }
    own = {
        "kind": "metrics",
        "metrics": [_metric(text, now) for text in arguments.metrics or ("events", "users")],
        "formulas": [formula_fields(text) for text in arguments.formulas],
        "timezone": arguments.timezone,
        "interval": None if interval == "none" else interval,
        "breakdown": list(arguments.by),
        "top": arguments.top,
        "other": arguments.other,
        "compare": _compare(arguments),
    }
    query = understood(MetricsQuery, {**understood(ScopeParams, scope).scope(now), **own})
    body: dict[str, Any] = query.model_dump(mode="json", exclude_unset=True)
    return body


def _compare(arguments: QueryArguments) -> Any:
    """The usual range is a named one, so that its days are compared with as many days on the 7th of a month too."""
    if not arguments.compare:
        return None
    usual = arguments.since is None and arguments.until in (None, "now")
    return {"range": f"{DAYS}d"} if usual else "previous"


def _metric(text: str, now: datetime) -> dict[str, Any]:
    found = _METRIC.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is not a metric such as events, sum:amount or 'events[name=signup]'")
    metric: dict[str, Any] = {"kind": found["kind"]}
    if found["key"]:
        metric["property"] = found["key"][1:]
    if found["tests"]:
        tests = [condition(test) for test in found["tests"][1:-1].split("][")]
        scope = understood(ScopeParams, {"filter": tests}).scope(now)
        metric |= {"filter": scope["filter"], "name": text[:LABEL_MAX]}
    return metric


def condition(text: str) -> str:
    """A condition such as `field=value` in the API's form `field:=:value`, which is accepted as it is, too.

    Raises:
        ConfigError: it has an operator of other languages, such as == or >=.
    """
    if (wrong := _OTHER_OPERATOR.fullmatch(text)) is not None:
        field, op = wrong["field"], wrong["op"]
        advice = _OPERATOR_HERE.get(op, "")
        meant = f"write {field}{advice}{wrong['value']}" if advice else "there are = != > < and ~ (contains)"
        raise ConfigError(
            f"{text!r}: {op} is no operator; {meant} (for a value that begins with such a sign, write {field}:=:value)"
        )
    found = _TEST.fullmatch(text)
    return text if found is None else f"{found['field']}:{_OPERATORS.get(found['op'], found['op'])}:{found['value']}"

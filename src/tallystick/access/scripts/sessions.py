"""Logins of browsers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tallystick.access.model import LoginSession
from tallystick.access.scripts.common import Script, Step
from tallystick.analysis.buckets import instant_of, micros

SESSION_ID = 16
"""Characters of a session's digest that name it in lists: too few to find another with the same token."""


def add(session: LoginSession, digest: str, idle: timedelta, replaces: str) -> Script[None]:
    now = session.created_at
    yield Step("delete_old_sessions", (micros(now), micros(now - idle)))
    yield Step("delete_session", (replaces,))
    times = (micros(now), micros(session.last_used_at), micros(session.expires_at))
    yield Step("insert_session", (digest, session.user_id, *times, session.address, session.user_agent))


def of_digest(digest: str) -> Script[LoginSession | None]:
    rows = yield Step("session", (digest,))
    return _session_of(rows[0]) if rows else None


def of_user(user_id: str) -> Script[list[LoginSession]]:
    return [_session_of(row) for row in (yield Step("sessions_of", (user_id,)))]


def touch(digest: str, now: datetime) -> Script[None]:
    yield Step("touch_session", (digest, micros(now)))


def end(digest: str) -> Script[None]:
    yield Step("delete_session", (digest,))


def end_of_user(user_id: str) -> Script[None]:
    yield Step("delete_sessions_of", (user_id, ""))


def _session_of(row: Sequence[Any]) -> LoginSession:
    times = (instant_of(row[2]), instant_of(row[3]), instant_of(row[4]))
    return LoginSession(row[0][:SESSION_ID], row[1], *times, row[5], row[6])

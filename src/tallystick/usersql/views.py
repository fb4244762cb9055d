"""The views that statements read, as GET /v1/sql/schema and docs/use/sql.md describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tallystick.model.queries.statement import ColumnType


class ViewColumn(msgspec.Struct, frozen=True):
    """A column of a view."""

    name: str
    type: ColumnType
    description: str


class View(msgspec.Struct, frozen=True):
    """A view; `needs` names the view that it reads, if any."""

    name: str
    description: str
    columns: Sequence[ViewColumn]
    needs: str = ""


class Example(msgspec.Struct, frozen=True):
    """A statement to begin with."""

    title: str
    sql: str


def _view(name: str, description: str, needs: str, *columns: tuple[str, ColumnType, str]) -> View:
    return View(name, description, [ViewColumn(*column) for column in columns], needs)


_SITE: tuple[str, ColumnType, str] = ("site_id", "text", "The website, app or project.")

VIEWS: Mapping[str, View] = {
    view.name: view
    for view in (
        _view(
            "events",
            "One row for each stored event.",
            "",
            ("event_id", "uuid", "Its id, unique within its site."),
            _SITE,
            ("name", "text", "What happened, such as page_view."),
            ("timestamp", "timestamp", "When it happened, UTC."),
            ("received_at", "timestamp", "When the server received it, UTC."),
            ("user_id", "text", "The user, as it was sent; null: no user."),
            ("session_id", "text", "As it was sent; null: none."),
            ("source", "text", "The client that sent it; empty when unknown."),
            ("path", "text", "The page's path; null: none."),
            ("properties", "json", "All other fields; properties->>'key' is one of them as text."),
        ),
        _view(
            "sessions",
            "One row for each visit: the events with one session_id and those that join it, or the events of a user "
            "without one that have no pause of more than 30 minutes between them.",
            "events",
            _SITE,
            ("session_id", "text", "Null for a visit without any."),
            ("user_id", "text", "Its first user in alphabetical order; null: none."),
            ("started_at", "timestamp", "When its first event happened, UTC."),
            ("duration_seconds", "number", "From the first event to the last; 0 for a single event."),
            ("events", "integer", "How many events it has."),
            ("pages", "integer", "How many of them are page views: page_view, $pageview or pageview."),
            ("entry_path", "text", "The path of its first page view, or of its first event if there is none."),
            ("exit_path", "text", "The path of its last page view, or of its last event if there is none."),
        ),
        _view(
            "users",
            "One row for each user_id of a site.",
            "events",
            _SITE,
            ("user_id", "text", "As it was sent: identities are not joined here."),
            ("first_seen", "timestamp", "The time of the first event, UTC."),
            ("last_seen", "timestamp", "The time of the newest event, UTC."),
            ("events", "integer", "How many events the user has."),
        ),
    )
}
"""The views, by name. A statement reads only these and its own CTEs."""

EXAMPLES: Sequence[Example] = (
    Example(
        "Events and users by day",
        "SELECT date_trunc('day', timestamp) AS day, count(*) AS events, count(DISTINCT user_id) AS users\n"
        "FROM events\nWHERE timestamp > now() - INTERVAL '7 days'\nGROUP BY day\nORDER BY day",
    ),
    Example(
        "Revenue by country",
        "SELECT properties->>'country' AS country, sum(CAST(properties->>'amount' AS DECIMAL(18, 2))) AS revenue\n"
        "FROM events\nWHERE name = 'purchase'\nGROUP BY country\nORDER BY revenue DESC NULLS LAST\nLIMIT 20",
    ),
    Example(
        "Time from the first visit to the first purchase",
        "SELECT avg(extract(epoch FROM bought.at - users.first_seen)) / 3600 AS hours\nFROM users\n"
        "JOIN (\n  SELECT site_id, user_id, min(timestamp) AS at FROM events WHERE name = 'purchase' GROUP BY 1, 2\n"
        ") AS bought\n"
        "  ON bought.site_id = users.site_id AND bought.user_id = users.user_id",
    ),
    Example(
        "Sessions by entry page",
        "SELECT entry_path, count(*) AS sessions, avg(duration_seconds) AS seconds,\n"
        "  avg(CASE WHEN pages = 1 THEN 1.0 ELSE 0.0 END) AS bounce_rate\nFROM sessions\nGROUP BY entry_path\n"
        "ORDER BY sessions DESC\nLIMIT 20",
    ),
)
"""Examples that run on every store."""

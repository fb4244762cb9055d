"""What a session is broken down by: texts of its entry event and of its exit event, as SQL."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import columns, sql
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import Fields
from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES, with_channel, with_page
from tallystick.model.query import PROPERTY_PREFIX


class Breakdown:
    """The values of a breakdown, which are texts of a session's entry event or exit event.

    Attributes:
        texts: a column `text_0`, `text_1`, … of an event for each text, as SQL.
        aggregates: columns of a session, as SQL: `entry_event` and `exit_event` are the texts needed of them.
        dims: the values `dim_0`, … of a session, as SQL over the columns of `with_channel` and `aggregates`.
    """

    def __init__(self, breakdown: Sequence[str], source: EventSource) -> None:
        self._dialect = source.dialect
        self._fields = Fields(source)
        self._names: dict[str, str] = {}
        self._of_entry: list[str] = []
        self._of_exit: list[str] = []
        self._channel: list[str] = []
        self.dims = [f"{self._dim(field)} AS dim_{index}" for index, field in enumerate(breakdown)]
        self.texts = [f"{text} AS {name}" for text, name in self._names.items()]
        self.aggregates = []
        if self._of_entry:
            texts = self._dialect.texts(self._of_entry)
            self.aggregates.append(f"{self._dialect.first.format(texts)} AS entry_event")
        if self._of_exit:
            texts = self._dialect.texts(self._of_exit)
            self.aggregates.append(f"{self._dialect.last.format(texts)} AS exit_event")

    @property
    def entry_texts(self) -> list[str]:
        """What is read of the entry event, as SQL of an event, in the order in which `entry_event` has it."""
        return self._sql_of(self._of_entry)

    @property
    def exit_texts(self) -> list[str]:
        """The same of the exit event and `exit_event`."""
        return self._sql_of(self._of_exit)

    def names(self, texts: Sequence[str]) -> list[str]:
        """The columns of an event with these texts."""
        return [self._names[text] for text in texts]

    def _sql_of(self, names: Sequence[str]) -> list[str]:
        sql_of = {name: text for text, name in self._names.items()}
        return [sql_of[name] for name in names]

    def of_sessions(self, sessions: str, selected: Sequence[str]) -> str:
        """A SELECT of sessions with the columns that `dims` reads.

        Args:
            selected: the columns of the sessions besides `entry_event` and `exit_event`.
        """
        if not self._channel:
            return sessions
        if not self._dialect.fold:
            return with_channel(self._dialect, sessions, self._channel)
        others = [*selected, *(["exit_event"] if self._of_exit else [])]
        folded = sql(
            """
            SELECT
                {columns}
            FROM (
                {sessions}
            ) AS single_sessions
            GROUP BY entry_event
            """,
            columns=columns(["entry_event", *(f"{self._dialect.fold.format(name)} AS {name}" for name in others)]),
            sessions=sessions,
        )
        return sql(
            """
            SELECT
                {columns}
            FROM (
                {sessions}
            ) AS folded_sessions
            {unfold}
            """,
            columns=columns(["entry_event", "channel", "referring_site", *others]),
            sessions=with_channel(self._dialect, folded, self._channel),
            unfold=self._dialect.unfold.format(", ".join(others)),
        )

    def _dim(self, field: str) -> str:
        if field == "exit_page":
            return self._member("path", "exit_event", self._of_exit)
        if field in ("channel", "referrer"):
            self._channel = self._channel_texts()
            return with_page("channel") if field == "channel" else "referring_site"
        return self._entry("path" if field == "entry_page" else field)

    def _channel_texts(self) -> list[str]:
        """The texts of CHANNEL_PROPERTIES of the entry event."""
        if not self._dialect.origin:
            return [self._entry(f"{PROPERTY_PREFIX}{key}") for key in CHANNEL_PROPERTIES]
        origin = self._entry(self._dialect.origin)
        return [self._dialect.origin_text.format(origin, place) for place, _ in enumerate(CHANNEL_PROPERTIES, 1)]

    def _entry(self, field: str) -> str:
        return self._member(field, "entry_event", self._of_entry)

    def _member(self, field: str, event: str, members: list[str]) -> str:
        """A field of one of the two events; each text is read once."""
        name = self._names.setdefault(self._fields.text(field), f"text_{len(self._names)}")
        if name not in members:
            members.append(name)
        return self._dialect.member.format(event, members.index(name) + 1)

"""What a session is broken down by: texts of its entry event and of its exit event, as SQL."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import Fields
from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES, with_channel, with_page
from tallystick.model.query import PROPERTY_PREFIX


class Breakdown:
    """The values of a breakdown, which are texts of a session's entry event or exit event.

    Attributes:
        texts: a column `text_0`, `text_1`, … of an event for each text, as SQL.
        aggregates: columns of a session, as SQL: `entry_event` and `exit_event` are lists of the texts needed of them.
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
            self.aggregates.append(f"{self._dialect.first.format(', '.join(self._of_entry))} AS entry_event")
        if self._of_exit:
            self.aggregates.append(f"{self._dialect.last.format(', '.join(self._of_exit))} AS exit_event")

    def of_sessions(self, sessions: str) -> str:
        """A SELECT of sessions with the columns that `dims` reads."""
        return with_channel(self._dialect, sessions, self._channel) if self._channel else sessions

    def _dim(self, field: str) -> str:
        if field == "exit_page":
            return self._member("path", "exit_event", self._of_exit)
        if field in ("channel", "referrer"):
            self._channel = [self._entry(f"{PROPERTY_PREFIX}{key}") for key in CHANNEL_PROPERTIES]
            return with_page("channel") if field == "channel" else "referring_site"
        return self._entry("path" if field == "entry_page" else field)

    def _entry(self, field: str) -> str:
        return self._member(field, "entry_event", self._of_entry)

    def _member(self, field: str, event: str, members: list[str]) -> str:
        """A field of one of the two events; each text is read once."""
        name = self._names.setdefault(self._fields.text(field), f"text_{len(self._names)}")
        if name not in members:
            members.append(name)
        return self._dialect.member.format(event, members.index(name) + 1)

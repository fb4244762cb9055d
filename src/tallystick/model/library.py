"""Saved reports, boards and share links: the request and answer bodies of their routes."""

from __future__ import annotations

import secrets
import string
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from pydantic import AfterValidator, AwareDatetime, Field, ValidationInfo, field_validator

from tallystick.model.event import SITE_ID_MAX
from tallystick.model.queries.ranges import Preset, RangeText
from tallystick.model.queries.scope import Filter, Shape, check_timezone, one_site
from tallystick.model.query import Query, Result

NAME_MAX, DESCRIPTION_MAX = 200, 2_000
"""Characters."""
VIEW_MAX, QUESTION_MAX = 16 * 1024, 32 * 1024
"""Bytes of their JSON."""
VIEW_DEPTH = 50
TILES_MAX = 50
NEVER_SAVED = ("since", "until", "cursor")
"""Fields that a saved query must not have: the report's range and the page of the reader replace them."""
_ID_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 12


def new_id() -> str:
    """A random id for URLs: 62 bits, lower-case letters and digits."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def _printable(text: str) -> str:
    if any(ord(character) < 32 and character not in "\n\t" for character in text) or "\x7f" in text:
        raise ValueError("control characters are not allowed")
    return text


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError("a name needs at least one visible character")
    return text


def json_size(value: Any) -> int:
    """Bytes of a value as JSON. Raises ValueError if the value cannot be written as JSON."""
    try:
        return len(msgspec.json.encode(value))
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError("that cannot be written as JSON in UTF-8") from error


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested on more levels than `levels`."""
    level = [value]
    for _ in range(levels + 1):
        level = [
            part
            for whole in level
            if isinstance(whole, list | dict)
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
        if not level:
            return False
    return True


Name: TypeAlias = Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_printable), AfterValidator(_named)]
Description: TypeAlias = Annotated[str, Field(max_length=DESCRIPTION_MAX), AfterValidator(_printable)]
ListedSite: TypeAlias = Annotated[str, Field(max_length=SITE_ID_MAX), AfterValidator(_printable)]
"""A site, or `*`."""
SiteId: TypeAlias = Annotated[ListedSite, AfterValidator(one_site)]
Timezone: TypeAlias = Annotated[str, AfterValidator(check_timezone)]
ID_PATTERN = f"^[a-z0-9]{{{_ID_LENGTH}}}$"


def saved_question(question: Query) -> dict[str, Any]:
    """A query as a report stores it: the given fields and the kind, without the fields that the report has itself."""
    given = question.model_dump(mode="json", exclude_unset=True)
    own = {name: value for name, value in given.items() if name not in (*NEVER_SAVED, "site_id", "timezone")}
    return {"kind": question.kind, **own}


class ReportFields(Shape):
    """The fields of a report that a client sends."""

    name: Name
    description: Description = ""
    site_id: SiteId | None = Field("default", description="null: every site. It stays as it is when a report changes.")
    question: Query = Field(
        description=f"Any query, with its `kind`, of at most {QUESTION_MAX // 1024} kB, without since, until and "
        "cursor. Its site and time zone are the report's."
    )
    range: RangeText = Field(
        "7d", description="A preset, or two days `YYYY-MM-DD/YYYY-MM-DD`, both included, in the report's time zone."
    )
    timezone: Timezone = Field("UTC", validate_default=True)
    view: dict[str, Any] = Field(
        default_factory=dict,
        description=f"For the dashboard, at most {VIEW_MAX // 1024} kB; the server does not read it.",
    )

    @field_validator("view")
    @classmethod
    def _small_view(cls, value: dict[str, Any]) -> dict[str, Any]:
        if _deeper_than(value, VIEW_DEPTH):
            raise ValueError(f"it is nested deeper than {VIEW_DEPTH} levels")
        if json_size(value) > VIEW_MAX:
            raise ValueError(f"it has more than {VIEW_MAX:,} bytes as JSON")
        return value

    @field_validator("question")
    @classmethod
    def _can_be_saved(cls, value: Query) -> Query:
        for name in NEVER_SAVED:
            if getattr(value, name, None) is not None:
                raise ValueError(f"a saved question has no {name}: the range of the report says when")
        if json_size(saved_question(value)) > QUESTION_MAX:
            raise ValueError(f"it has more than {QUESTION_MAX:,} bytes as JSON")
        return value

    @field_validator("timezone")
    @classmethod
    def _of_the_question_too(cls, value: str, info: ValidationInfo) -> str:
        question = info.data.get("question")
        if question is not None and "timezone" in question.model_fields_set and question.timezone != value:
            raise ValueError("the question names another time zone: leave it out there, or name the same")
        return value


class ReportChange(ReportFields):
    """The new fields of a report."""

    updated_at: AwareDatetime = Field(description="That of the version that was edited: 409 when it changed meanwhile.")


class Report(Shape):
    """A saved report."""

    id: str
    name: str
    description: str
    site_id: str | None
    question: dict[str, Any] = Field(description="The query, without since, until, site_id, timezone and cursor.")
    range: str
    timezone: str
    view: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class ReportList(Shape):
    """Reports, the oldest first."""

    reports: list[Report]


class RunOrder(Shape):
    """How to run a report this time. Absent fields are the report's own."""

    range: RangeText | None = None
    timezone: Timezone | None = None
    filter: Filter | None = Field(None, description="Applies in addition to the report's own.")


class SharedRunOrder(Shape):
    """How to run a report through a share link."""

    range: Preset | None = None


class ReportResult(Result):
    """The answer to a report's query, and the time range of the answer."""

    since: datetime | None = Field(description="Included; null: from the first event.")
    until: datetime | None = Field(description="Excluded; null: up to the newest event.")


# --- boards and shares ----------------------------------------------------------------------------------------------


class Tile(Shape):
    """A report's position and size on a board, in a grid of four columns."""

    report_id: str = Field(pattern=ID_PATTERN)
    width: int = Field(1, ge=1, le=4)
    height: int = Field(1, ge=1, le=3)


class BoardFields(Shape):
    """The fields of a board that a client sends."""

    name: Name
    description: Description = ""
    site_id: SiteId | None = Field(
        "default", description="It shows this site's reports; null: any. It stays as it is when a board changes."
    )
    tiles: list[Tile] = Field(default_factory=list, max_length=TILES_MAX)


class BoardChange(BoardFields):
    """The new fields of a board."""

    updated_at: AwareDatetime = Field(description="That of the version that was edited: 409 when it changed meanwhile.")


class Board(Shape):
    """A board: reports side by side."""

    id: str
    name: str
    description: str
    site_id: str | None
    tiles: list[Tile]
    created_at: datetime
    updated_at: datetime


class BoardList(Shape):
    """Boards, the oldest first."""

    boards: list[Board]


class ShareFields(Shape):
    """The fields of a share link that a client sends."""

    name: Name = Field(description="The recipient of the link.")
    expires_at: AwareDatetime | None = Field(None, description="When the link stops working; absent: never.")


class ShareSummary(Shape):
    """A share link without its token."""

    id: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="Accurate to a minute; null: never used.")


class NewShare(ShareSummary):
    """A new share link with its token, which is shown only once."""

    token: str = Field(description="Shown once: the server stores only its SHA-256.")
    url: str = Field(description="Its page, relative to this server. Browsers do not send the part after #.")


class ShareList(Shape):
    """Share links of a board, the oldest first."""

    shares: list[ShareSummary]


class SharedPage(Shape):
    """What a share link shows of its board."""

    name: str
    description: str
    tiles: list[Tile]


class SharedReport(Shape):
    """What a share link shows of a report: what its chart is drawn with, without filters and description."""

    id: str
    name: str
    question: dict[str, Any] = Field(
        description="The kind of the query, what it measures and how that is grouped; without every filter."
    )
    range: str
    timezone: str
    view: dict[str, Any] = Field(description="How the dashboard draws it; without every filter.")
    updated_at: datetime


class SharedBoard(Shape):
    """What a share link shows: a board and its reports, in the order of its tiles."""

    board: SharedPage
    reports: list[SharedReport]
    expires_at: datetime | None

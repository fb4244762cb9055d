"""Saved reports, boards and share links: the shapes of their routes. Shapes only."""

from __future__ import annotations

import secrets
import string
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from pydantic import AfterValidator, AwareDatetime, Field, ValidationInfo, WithJsonSchema, field_validator

from tallystick.model.queries.ranges import DAYS, PRESETS, Preset, check_range
from tallystick.model.queries.scope import Filter, Shape, check_timezone, one_site
from tallystick.model.query import Query, Result

NAME_MAX, DESCRIPTION_MAX = 200, 2_000
"""Characters."""
VIEW_MAX, QUESTION_MAX = 16 * 1024, 32 * 1024
"""Bytes of their JSON."""
VIEW_DEPTH = 50
TILES_MAX = 50
NEVER_SAVED = ("since", "until", "cursor")
"""Fields of a question that a report's range and the reader's page take the place of."""
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
        raise ValueError("a name has at least one character that is seen")
    return text


def json_size(value: Any) -> int:
    """Bytes of a value's JSON. Raises ValueError: it has none."""
    try:
        return len(msgspec.json.encode(value))
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError("that cannot be written as JSON in UTF-8") from error


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other on more levels."""
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
ListedSite: TypeAlias = Annotated[str, Field(max_length=128), AfterValidator(_printable)]
"""A site, or `*`."""
SiteId: TypeAlias = Annotated[ListedSite, AfterValidator(one_site)]
RangeText: TypeAlias = Annotated[
    str,
    AfterValidator(check_range),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(PRESETS)}|{DAYS.pattern})$"}),
]
Timezone: TypeAlias = Annotated[str, AfterValidator(check_timezone)]
ID_PATTERN = f"^[a-z0-9]{{{_ID_LENGTH}}}$"


def saved_question(question: Query) -> dict[str, Any]:
    """A question as it is kept: as it was given, with its kind, without what the report says itself."""
    given = question.model_dump(mode="json", exclude_unset=True)
    own = {name: value for name, value in given.items() if name not in (*NEVER_SAVED, "site_id", "timezone")}
    return {"kind": question.kind, **own}


class ReportFields(Shape):
    """What somebody says of a report."""

    name: Name
    description: Description = ""
    site_id: SiteId | None = Field("default", description="null: every site. It stays as it is when a report changes.")
    question: Query = Field(
        description=f"Any question, with its `kind`, of at most {QUESTION_MAX // 1024} kB, without since, until and "
        "cursor; its site and time zone are the report's."
    )
    range: RangeText = Field(
        "7d", description="A preset, or two days `YYYY-MM-DD/YYYY-MM-DD`, both included, in the report's time zone."
    )
    timezone: Timezone = Field("UTC", validate_default=True)
    view: dict[str, Any] = Field(
        default_factory=dict, description=f"The dashboard's own, at most {VIEW_MAX // 1024} kB; the server reads none."
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
    """A report as it shall be from now on."""

    updated_at: AwareDatetime = Field(description="That of the version that was edited: 409 when it changed meanwhile.")


class Report(Shape):
    """A saved report."""

    id: str
    name: str
    description: str
    site_id: str | None
    question: dict[str, Any] = Field(description="As it is asked, without since, until, site_id, timezone and cursor.")
    range: str
    timezone: str
    view: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class ReportList(Shape):
    """Reports, the oldest first."""

    reports: list[Report]


class RunOrder(Shape):
    """How a report is asked this time; what is absent is the report's."""

    range: RangeText | None = None
    timezone: Timezone | None = None
    filter: Filter | None = Field(None, description="Must hold beside the report's own.")


class SharedRunOrder(Shape):
    """How somebody with a share link asks a report."""

    range: Preset | None = None


class ReportResult(Result):
    """The answer to a report's question, and the range that it was asked for."""

    since: datetime | None = Field(description="Included; null: from the first event.")
    until: datetime | None = Field(description="Excluded; null: up to the newest event.")


# --- boards and shares ----------------------------------------------------------------------------------------------


class Tile(Shape):
    """A report's place on a board, in a grid of four columns."""

    report_id: str = Field(pattern=ID_PATTERN)
    width: int = Field(1, ge=1, le=4)
    height: int = Field(1, ge=1, le=3)


class BoardFields(Shape):
    """What somebody says of a board."""

    name: Name
    description: Description = ""
    site_id: SiteId | None = Field(
        "default", description="It shows this site's reports; null: any. It stays as it is when a board changes."
    )
    tiles: list[Tile] = Field(default_factory=list, max_length=TILES_MAX)


class BoardChange(BoardFields):
    """A board as it shall be from now on."""

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
    """What somebody says of a share link."""

    name: Name = Field(description="For whom it is.")
    expires_at: AwareDatetime | None = Field(None, description="From when on it shows nothing; absent: it always does.")


class ShareSummary(Shape):
    """A share link without its token."""

    id: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="Right to a minute; null: never.")


class NewShare(ShareSummary):
    """A share link as it is told once."""

    token: str = Field(description="Shown once: only its SHA-256 is kept.")
    url: str = Field(description="The page for it, below this server's address. What follows the # reaches no server.")


class ShareList(Shape):
    """Share links of a board, the oldest first."""

    shares: list[ShareSummary]


class SharedBoard(Shape):
    """What a share link shows: a board and its reports, in the order of its tiles."""

    board: Board
    reports: list[Report]
    expires_at: datetime | None

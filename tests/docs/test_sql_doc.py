"""docs/use/sql.md: the views as they are, and each refusal that it shows with the words that are given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tallystick.errors import InvalidRequest
from tallystick.usersql.check import check_sql
from tallystick.usersql.views import VIEWS, View

TEXT = (Path(__file__).parents[2] / "docs" / "use" / "sql.md").read_text("utf-8")
REFUSED = re.findall(r"^\| `(SELECT .+?|DELETE .+?|WITH .+?)` \| (sql: .+?) \|$", TEXT, re.MULTILINE)


def as_documented(view: View) -> str:
    rows = (f"| `{column.name}` | {column.type} | {column.description} |" for column in view.columns)
    return "\n".join(
        [f"### `{view.name}`", "", view.description, "", "| column | type | |", "|---|---|---|", *rows, ""]
    )


@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda view: view.name)
def test_a_view_is_documented_with_all_its_columns(view: View) -> None:
    assert as_documented(view) in TEXT


def test_no_other_view_is_documented() -> None:
    assert re.findall(r"^### `(\w+)`$", TEXT, re.MULTILINE) == list(VIEWS)


@pytest.mark.parametrize(("sql", "message"), REFUSED)
def test_a_refusal_is_as_documented(sql: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_sql(sql, "duckdb")
    assert refused.value.message == message


def test_refusals_are_found() -> None:
    assert len(REFUSED) >= 10

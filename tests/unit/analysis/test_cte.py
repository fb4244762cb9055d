"""SQL templates: what is read in the code is what is sent, but for the parts."""

from __future__ import annotations

import pytest

from tallystick.analysis.cte import cte, sql, with_ctes

COUNTED = """
    SELECT {columns}
    FROM events
    {where}
    GROUP BY name
    """


def test_a_template_loses_its_indentation_and_the_lines_of_empty_parts() -> None:
    assert sql(COUNTED, columns="name, count(*)", where="") == "SELECT name, count(*)\nFROM events\nGROUP BY name"


def test_lines_of_a_part_are_indented_as_its_place_is() -> None:
    where = "WHERE name = 'a'\n  AND path = '/'"
    nested = sql("SELECT *\nFROM (\n    {inner}\n) AS counted", inner=sql(COUNTED, columns="1", where=where))
    assert nested == (
        "SELECT *\nFROM (\n    SELECT 1\n    FROM events\n    WHERE name = 'a'\n      AND path = '/'\n"
        "    GROUP BY name\n) AS counted"
    )


def test_a_part_may_hold_braces() -> None:
    assert sql("SELECT {value}", value="'{name}'") == "SELECT '{name}'"


@pytest.mark.parametrize(("parts", "error"), [({}, KeyError), ({"a": "1", "b": "2"}, ValueError)])
def test_parts_and_template_fit(parts: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        sql("SELECT {a}", **parts)


def test_expressions_come_in_their_order() -> None:
    first = cte("first", "SELECT 1 AS one")
    kept = cte("kept", "SELECT one\nFROM first", materialized=True)
    assert with_ctes([first, kept], "SELECT one\nFROM kept") == (
        "WITH first AS (\n    SELECT 1 AS one\n),\nkept AS MATERIALIZED (\n    SELECT one\n    FROM first\n)\n"
        "SELECT one\nFROM kept"
    )
    assert with_ctes([], "SELECT 1") == "SELECT 1"

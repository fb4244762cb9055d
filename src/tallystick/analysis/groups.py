"""The groups of a breakdown as columns of SQL."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import sql
from tallystick.analysis.parameters import Parameters
from tallystick.analysis.sources import Groups


def given_groups(groups: Groups, names: Sequence[str], parameters: Parameters) -> str:
    """A SELECT of groups in their order, instead of a ranking.

    Args:
        names: the columns of the breakdown's values, and of the group's number from 1.
    """
    rows = []
    for number, group in enumerate(groups, 1):
        # A parameter that is NULL has no type.
        values = ["CAST(NULL AS VARCHAR)" if value is None else parameters.add(value, "text") for value in group]
        rows.append(f"({', '.join([*values, str(number)])})")
    return sql(
        """
        SELECT {columns}
        FROM (VALUES {rows}) AS given_groups({columns})
        """,
        columns=", ".join(names),
        rows=", ".join(rows),
    )

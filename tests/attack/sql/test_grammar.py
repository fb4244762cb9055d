"""G12: statements made by a grammar, with names that must not be called in every place, against a real server.

What the check lets through is executed as the role, as the key of one site. Beside PostgreSQL's own functions there are
ones that say so when they are called, for every kind of argument, and which the role may call: so the check alone is
under test. And there are rows of another site, which no answer and no error may hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from tallystick.config import Settings
from tallystick.errors import InvalidRequest, QueryTimeout, QueryTooExpensive, TallystickError
from tallystick.store import Store
from tallystick.store.postgres.role import ROLE
from tallystick.usersql.check import check_sql
from tests.helpers.sql.grammar import Maker
from tests.helpers.sql.side import CALLED, CANARY, asked, connected, made, opened, postgres, unchecked
from tests.helpers.thorough import THOROUGH
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARIES = ("bite", "sting", "Bite", "größe")
KINDS = (
    "text",
    "integer",
    "bigint",
    "numeric",
    "double precision",
    "boolean",
    "json",
    "text[]",
    "integer[]",
    "timestamptz",
    "uuid",
    "interval",
    "record",
    "anyelement",
    "public.site_events",
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def settings(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return made(server, tmp_path_factory.mktemp("grammar")).model_copy(update={"query_timeout": 5.0})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(settings: Settings) -> AsyncIterator[Store]:
    async with opened(settings) as store:
        async with connected(settings.store_url) as keeper:
            for name in CANARIES:
                for kind in KINDS:
                    signature = f'public."{name}"({kind})'
                    await keeper.execute(
                        f"CREATE FUNCTION {signature} RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
                        f"'{CALLED}'; END $$; GRANT EXECUTE ON FUNCTION {signature} TO {ROLE}"
                    )
        yield store


async def attack(side: Store, sql: str) -> str:
    """The outcome of a statement. Fails when it called something, or revealed another site."""
    try:
        check_sql(sql, "postgres")
    except InvalidRequest:
        return "refused"
    try:
        table = await asked(side, sql)
    except (QueryTimeout, QueryTooExpensive):
        return "stopped"
    except TallystickError as error:
        said = f"{error.message} {error.__cause__}"
        wrong = [word for word in (CALLED, CANARY, "permission denied", "the seal") if word in said]
        if wrong or not isinstance(error, InvalidRequest):
            return f"{', '.join(wrong) or error.message}: {sql}"
        return "failed"
    return f"{CANARY}: {sql}" if CANARY in repr(table) else "answered"


async def test_what_a_grammar_makes(side: Store) -> None:
    """Statements are made first, and tried then in the loop that the store belongs to."""
    statements: list[str] = []

    @how(max_examples=8_000 if THOROUGH else 200, suppress_health_check=list(HealthCheck), database=None)
    @given(seed=st.integers(0, 2**64), depth=st.integers(1, 3), poison=st.sampled_from([0.0, 0.02, 0.1]))
    def make(seed: int, depth: int, poison: float) -> None:
        statements.append(Maker(Random(seed), poison).statement(depth))

    make()
    counts = Counter[str]()
    for sql in statements:
        counts[await attack(side, sql)] += 1
    print(dict(counts))
    assert set(counts) <= {"refused", "stopped", "failed", "answered"}
    assert counts["answered"] > len(statements) // 10, "nearly nothing of it is tried"


async def test_the_canaries_sing(side: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector itself: with the first fence down each spelling calls one, and is noticed."""
    monkeypatch.setattr("tallystick.usersql.check.check_sql", unchecked)
    for sql in (
        "SELECT ('x'::text).bite",
        "SELECT t.bite FROM unnest(ARRAY['x']) AS t",
        "SELECT e.sting FROM site_events AS e",
        'SELECT (1)."Bite"',
        "SELECT (now()).bite",
        "SELECT (ARRAY['x']).größe",
        "SELECT t.bite FROM (VALUES (1, 2)) t",
    ):
        with pytest.raises(TallystickError) as error:
            await asked(side, sql)
        assert CALLED in f"{error.value.message} {error.value.__cause__}", sql

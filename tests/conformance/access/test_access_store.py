"""Every place for keys and accounts keeps the same contract (G12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tallystick.access import AccessStore, make_access_store
from tallystick.access.model import (
    Actor,
    Identity,
    Invitation,
    Key,
    LoginSession,
    NewAccounts,
    Role,
    Site,
    SiteRole,
    User,
)
from tallystick.access.scripts import state
from tallystick.access.scripts.attempts import FORGET_AFTER, LONGEST_WAIT, wait_after
from tallystick.access.scripts.common import SCHEMA, SQL, Script, Step
from tallystick.config import Settings
from tallystick.errors import (
    ConfigError,
    Conflict,
    EmailNotVerified,
    InvalidRequest,
    NotFound,
    OtherPerson,
    SignOnExpired,
    UnknownPerson,
)

NOW = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
ANN = Actor("user ann@example.org", "203.0.113.9")
PROOF = "the proof of a secret"
WEEK = timedelta(days=7)


@pytest.fixture(params=["", "@postgres_url"], ids=["sqlite", "postgres"])
def access_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    given = str(request.param)
    url = str(request.getfixturevalue(given[1:])) if given else ""
    return settings.model_copy(update={"access_url": url})


@pytest.fixture
async def access(access_settings: Settings) -> AsyncIterator[AccessStore]:
    """Opened and prepared."""
    made = make_access_store(access_settings)
    await made.open()
    await made.prepare(PROOF)
    yield made
    await made.close()


def key(id_: str = "k1", *sites: str) -> Key:
    return Key(id_, "read", "a key", list(sites or ("shop",)), ["sql"], [], "rk_…abcd", NOW, ANN.name)


def user(id_: str = "u1", email: str = "bob@example.org", admin: bool = False, **roles: Role) -> User:
    return User(id_, email, "Bob", admin, [SiteRole(site, role) for site, role in roles.items()], NOW)


def invitation(kind: str = "invitation", **fields: object) -> Invitation:
    made = Invitation("i1", "invitation", "new@example.org", None, False, [], NOW, ANN.name, NOW + WEEK)
    return msgspec.structs.replace(made, kind=kind, **fields)


def session(user_id: str = "u1", *, begun: datetime = NOW) -> LoginSession:
    return LoginSession("s", user_id, begun, begun, begun + WEEK, "203.0.113.9", "a browser")


async def add_site(access: AccessStore, *sites: str) -> None:
    for site in sites:
        await access.add_site(Site(site, site.title(), NOW), ANN)


async def test_without_tables_there_is_no_version(access_settings: Settings) -> None:
    made = make_access_store(access_settings)
    await made.open()
    assert not await made.exists()
    assert await made.version() is None
    await asyncio.gather(made.prepare(PROOF), made.prepare(PROOF))
    assert await made.version() == 1
    await made.close()


async def test_another_secret_is_refused(access: AccessStore) -> None:
    with pytest.raises(ConfigError, match="another secret"):
        await access.prepare("another")


async def test_each_change_has_a_new_version_and_is_kept(access: AccessStore, access_settings: Settings) -> None:
    await add_site(access, "shop", "blog")
    await access.add_key(key(), b"\x01\xff", ANN)
    await access.add_user(user(shop=Role.OWNER, blog=Role.VIEWER), "hash", ANN)
    version = await access.version()
    again = make_access_store(access_settings)
    await again.open()
    found = await again.snapshot()
    await again.close()
    assert (found.version, found.proof) == (version, PROOF)
    assert list(found.sites) == [Site("blog", "Blog", NOW), Site("shop", "Shop", NOW)]
    assert found.keys == {b"\x01\xff": key()}
    expected = user(blog=Role.VIEWER, shop=Role.OWNER)
    assert found.users == {"u1": expected}
    assert version == 5


async def test_a_failed_change_changes_nothing(access: AccessStore) -> None:
    before = await access.snapshot(), await access.audit(10, None, None)
    with pytest.raises(NotFound):
        await access.add_key(key("k1", "nowhere"), b"\x01", ANN)
    with pytest.raises(NotFound):
        await access.add_user(user(nowhere=Role.OWNER), "hash", ANN)
    assert (await access.snapshot(), await access.audit(10, None, None)) == before


# --- an older schema ------------------------------------------------------------------------------------------------


async def test_tables_of_the_first_schema_are_brought_up_to_date(
    access_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first look of a process, also of two at once; what is there stays."""
    with monkeypatch.context() as before:
        for table in ("identities", "sign_ons", "key_quotas"):
            before.delitem(SCHEMA, table)
        for statement in ("user",):
            of_then = SQL[statement].replace("FROM identities", "FROM (SELECT '' AS user_id) AS none")
            before.setitem(SQL, statement, of_then)
        before.setattr(state, "SCHEMA_VERSION", 1)
        old = make_access_store(access_settings)
        await old.open()
        await old.prepare(PROOF)
        await add_site(old, "shop")
        await old.add_user(user(shop=Role.OWNER), "hash", ANN)
        version = await old.version()
        await old.close()
    two = [make_access_store(access_settings) for _ in range(2)]
    for one in two:
        await one.open()
    assert await asyncio.gather(*(one.version() for one in two)) == [version, version]
    assert (await two[0].snapshot()).users == {"u1": user(shop=Role.OWNER)}
    assert await enter(two[1]) == "u1"
    await two[0].prepare(PROOF)
    for one in two:
        await one.close()


# --- sites and keys -------------------------------------------------------------------------------------------------


async def test_a_site_is_added_once(access: AccessStore) -> None:
    await add_site(access, "shop")
    with pytest.raises(Conflict):
        await add_site(access, "shop")
    with pytest.raises(NotFound):
        await access.remove_site("blog", ANN)


async def test_what_names_a_removed_site_ends(access: AccessStore) -> None:
    """A key for it alone is revoked; one for others too loses it; so do roles and invitations."""
    await add_site(access, "shop", "blog")
    await access.add_key(key("k1", "shop"), b"\x01", ANN)
    await access.add_key(key("k2", "shop", "blog"), b"\x02", ANN)
    await access.add_user(user(shop=Role.OWNER, blog=Role.VIEWER), "hash", ANN)
    await access.invite(invitation(roles=[SiteRole("shop", Role.OWNER)]), "d1", ANN)
    both = [SiteRole("shop", Role.OWNER), SiteRole("blog", Role.VIEWER)]
    await access.invite(invitation(id="i2", email="b@example.org", roles=both), "d2", ANN)
    await access.remove_site("shop", ANN)
    found = await access.snapshot()
    assert found.keys[b"\x01"].revoked_at is not None
    assert (found.keys[b"\x02"].revoked_at, found.keys[b"\x02"].sites) == (None, ["blog"])
    assert found.users["u1"].roles == [SiteRole("blog", Role.VIEWER)]
    assert [(one.id, one.roles) for one in await access.invitations(NOW)] == [("i2", both[1:])]


async def test_a_revoked_key_stays_revoked(access: AccessStore) -> None:
    await add_site(access, "shop")
    await access.add_key(key(), b"\x01", ANN)
    await access.revoke_key("k1", ANN)
    for id_ in ("k1", "k2"):
        with pytest.raises(NotFound):
            await access.revoke_key(id_, ANN)
    assert (await access.snapshot()).keys[b"\x01"].revoked_at is not None


def write_key(id_: str = "k1", **quota: int | None) -> Key:
    return msgspec.structs.replace(key(id_, "shop"), kind="write", rights=[], **quota)


async def test_a_key_has_a_quota_of_its_own(access: AccessStore) -> None:
    await add_site(access, "shop")
    await access.add_key(write_key("k1", events_per_second=50, bytes_per_second=None), b"\x01", ANN)
    await access.add_key(write_key("k2"), b"\x02", ANN)
    assert (await access.audit(9, None, None))[1].details["events_per_second"] == 50
    found = (await access.snapshot()).keys
    assert (found[b"\x01"].events_per_second, found[b"\x01"].bytes_per_second) == (50, None)
    assert (found[b"\x02"].events_per_second, found[b"\x02"].bytes_per_second) == (None, None)
    version = await access.version()
    changed = await access.set_quota("k2", 0, 10**12, ANN)
    assert (await access.snapshot()).keys[b"\x02"] == changed
    assert (changed.events_per_second, changed.bytes_per_second) == (0, 10**12)
    assert await access.version() == (version or 0) + 1
    entry = (await access.audit(1, None, None))[0]
    assert (entry.action, entry.subject, entry.site_id) == ("key.quota", "k2", "shop")
    assert (await access.set_quota("k2", None, None, ANN)) == (await access.snapshot()).keys[b"\x02"]
    await access.revoke_key("k2", ANN)
    await access.add_key(key("k3", "shop"), b"\x03", ANN)
    for id_, error in (("k2", NotFound), ("k9", NotFound), ("k3", InvalidRequest)):
        with pytest.raises(error):
            await access.set_quota(id_, 1, 1, ANN)


def drop_quotas() -> Script[None]:
    """Statements that make the tables what the first schema had."""
    yield Step("_drop")
    yield Step("_schema")


async def test_tables_of_the_first_schema_are_read_and_brought_up_to_date(
    access: AccessStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SQL, "_drop", "DROP TABLE key_quotas")
    monkeypatch.setitem(SQL, "_schema", "UPDATE state SET schema_version = 1")
    await add_site(access, "shop")
    await access.add_key(write_key(), b"\x01", ANN)
    await access._change(drop_quotas())
    assert (await access.snapshot()).keys == {b"\x01": write_key()}
    await access.prepare(PROOF)
    await access.set_quota("k1", 5, None, ANN)
    assert (await access.snapshot()).keys[b"\x01"].events_per_second == 5
    await access.prepare(PROOF)
    assert (await access.snapshot()).keys[b"\x01"].events_per_second == 5


async def test_the_last_use_only_moves_on_and_is_no_change(access: AccessStore) -> None:
    await add_site(access, "shop")
    await access.add_key(key(), b"\x01", ANN)
    version = await access.version()
    await access.touch_keys({"k1": NOW, "unknown": NOW})
    await access.touch_keys({"k1": NOW - timedelta(seconds=1)})
    assert (await access.snapshot()).keys[b"\x01"].last_used_at == NOW
    assert await access.version() == version


# --- accounts -------------------------------------------------------------------------------------------------------


async def test_an_address_has_one_account(access: AccessStore) -> None:
    await access.add_user(user(), "hash", ANN)
    with pytest.raises(Conflict):
        await access.add_user(user("u2"), "hash", ANN)
    assert await access.password_of_email("bob@example.org") == ("u1", "hash")
    assert await access.password_of_email("BOB@example.org") is None


async def test_roles_are_given_changed_and_taken(access: AccessStore) -> None:
    await add_site(access, "shop")
    await access.add_user(user(), "hash", ANN)
    for role in (Role.VIEWER, Role.OWNER):
        assert (await access.set_role("u1", "shop", role, ANN)).roles == [SiteRole("shop", role)]
    assert (await access.set_role("u1", "shop", None, ANN)).roles == []
    for user_id, site in (("u2", "shop"), ("u1", "blog")):
        with pytest.raises(NotFound):
            await access.set_role(user_id, site, Role.VIEWER, ANN)


async def test_there_is_always_an_administrator(access: AccessStore) -> None:
    """Also when two of them are removed at once."""
    await access.add_user(user("u1", "a@example.org", admin=True), "hash", ANN)
    await access.add_user(user("u2", "b@example.org", admin=True), "hash", ANN)
    done = await asyncio.gather(
        access.remove_user("u1", ANN), access.set_admin("u2", False, ANN), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done if isinstance(one, Exception)) == ["Conflict"]
    assert sum(one.admin for one in (await access.snapshot()).users.values()) == 1


async def test_with_an_account_goes_all_it_had(access: AccessStore) -> None:
    await add_site(access, "shop")
    await access.add_user(user(shop=Role.OWNER), "hash", ANN)
    await access.add_session(session(), "digest", WEEK, "")
    await access.invite(invitation("password_reset", email="bob@example.org", user_id="u1"), "d", ANN)
    await access.remove_user("u1", ANN)
    assert await access.session("digest") is None
    assert await access.invitations(NOW) == []
    with pytest.raises(NotFound):
        await access.password_of("u1")


async def test_a_new_password_ends_the_other_sessions(access: AccessStore) -> None:
    await access.add_user(user(), "hash", ANN)
    for digest in ("here", "there"):
        await access.add_session(session(), digest, WEEK, "")
    await access.set_password("u1", "rehashed", "", None)
    assert len(await access.sessions_of("u1")) == 2
    await access.set_password("u1", "new", "here", ANN)
    assert await access.session("here") is not None
    assert await access.session("there") is None
    assert await access.password_of("u1") == "new"


# --- persons of a provider ------------------------------------------------------------------------------------------

BOB = Identity("https://id.example", "b0b", "bob@example.org", True)
NOBODY = NewAccounts(frozenset(), Role.VIEWER, ())
STAFF = NewAccounts(frozenset({"example.org"}), Role.EDITOR, ("shop", "gone"))


async def enter(
    access: AccessStore, found: Identity = BOB, new: NewAccounts = NOBODY, digest: str = "d1", at: datetime = NOW
) -> str:
    made = User("u9", "", "Bob", False, [], at)
    return await access.enter(found, made, new, digest, at + timedelta(minutes=10), "203.0.113.9")


async def test_a_person_is_known_by_the_subject(access: AccessStore) -> None:
    await access.add_user(user("u1", "bob@example.org", True), "hash", ANN)
    await access.add_user(user("u2", "eva@example.org"), "hash", ANN)
    before = await access.version()
    assert await enter(access) == "u1"
    after = await access.version()
    assert before is not None
    assert after is not None
    assert after > before
    assert await enter(access, msgspec.structs.replace(BOB, email="eva@example.org"), digest="d2") == "u1"
    with pytest.raises(OtherPerson):
        await enter(access, msgspec.structs.replace(BOB, subject="other"), digest="d3")
    elsewhere = msgspec.structs.replace(BOB, issuer="https://other.example", subject="another")
    assert await enter(access, elsewhere, digest="d3") == "u1"  # what was refused is as if it had not been
    found = (await access.snapshot()).users
    assert [(one.single_sign_on, one.last_login_at) for one in found.values()] == [(True, NOW), (False, None)]


async def test_a_login_with_a_provider_ends_once(access: AccessStore) -> None:
    await access.add_user(user(), "hash", ANN)
    assert await enter(access) == "u1"
    with pytest.raises(SignOnExpired):
        await enter(access)
    later = NOW + timedelta(minutes=10)
    assert await enter(access, digest="d2", at=later) == "u1"
    assert await enter(access, at=later) == "u1"  # forgotten: its cookie has expired by then
    both = await asyncio.gather(*(enter(access, digest="d4") for _ in range(2)), return_exceptions=True)
    assert sorted(map(str, both))[-1] == "u1"
    assert sum(isinstance(one, SignOnExpired) for one in both) == 1


async def test_a_removed_account_leaves_no_person(access: AccessStore) -> None:
    await access.add_user(user("u1", "ann@example.org", True), "hash", ANN)
    await access.add_user(user("u2"), "hash", ANN)
    assert await enter(access) == "u2"
    await access.remove_user("u2", ANN)
    with pytest.raises(UnknownPerson):
        await enter(access, digest="d2")
    await access.add_user(user("u3"), "hash", ANN)
    assert await enter(access, msgspec.structs.replace(BOB, subject="new"), digest="d2") == "u3"


async def test_who_is_not_known(access: AccessStore) -> None:
    for found, error in (
        (BOB, UnknownPerson),
        (msgspec.structs.replace(BOB, verified=False), EmailNotVerified),
        (msgspec.structs.replace(BOB, email=""), UnknownPerson),
    ):
        with pytest.raises(error):
            await enter(access, found)
    with pytest.raises(UnknownPerson):
        await enter(access, new=STAFF)  # there is no account yet
    await access.add_user(user("u1", "ann@example.org", True), "hash", ANN)
    with pytest.raises(UnknownPerson):
        await enter(access, new=STAFF)  # none of its sites is known
    await add_site(access, "shop")
    assert await enter(access, new=STAFF) == "u9"
    found_user = (await access.snapshot()).users["u9"]
    assert (found_user.password, found_user.single_sign_on) == (False, True)
    assert found_user.roles == [SiteRole("shop", Role.EDITOR)]
    assert [entry.action for entry in await access.audit(2, None, None)] == ["user.sign_on", "user.add"]


async def test_an_invitation_is_used_by_its_address(access: AccessStore) -> None:
    await add_site(access, "shop")
    roles = [SiteRole("shop", Role.OWNER)]
    await access.invite(invitation(email="bob@example.org", roles=roles), "digest", ANN)
    with pytest.raises(UnknownPerson):  # it has expired
        await enter(access, at=NOW + WEEK)
    assert await enter(access, new=STAFF) == "u9"
    assert (await access.snapshot()).users["u9"].roles == roles
    assert await access.invitations(NOW) == []


# --- invitations ----------------------------------------------------------------------------------------------------


async def test_a_link_is_used_once(access: AccessStore) -> None:
    """Also when two use it at once."""
    await add_site(access, "shop")
    await access.invite(invitation(roles=[SiteRole("shop", Role.EDITOR)]), "digest", ANN)
    assert await access.invitation("another", NOW) is None
    done = await asyncio.gather(
        *(access.accept("digest", NOW, user(f"u{n}", "x@x.x", admin=True), "h", ANN) for n in (1, 2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["NotFound", "str"]
    [made] = (await access.snapshot()).users.values()
    assert (made.email, made.admin, made.roles) == ("new@example.org", False, [SiteRole("shop", Role.EDITOR)])


async def test_a_link_expires_and_is_taken_back(access: AccessStore) -> None:
    await access.invite(invitation(admin=True), "digest", ANN)
    assert await access.invitation("digest", NOW + WEEK) is None
    with pytest.raises(NotFound):
        await access.accept("digest", NOW + WEEK, user(), "hash", ANN)


async def test_a_newer_link_replaces_the_one_before(access: AccessStore) -> None:
    await access.invite(invitation(admin=True), "old", ANN)
    await access.invite(invitation(id="i2", admin=True), "new", ANN)
    assert await access.invitation("old", NOW) is None
    assert await access.invitation("new", NOW) is not None


async def test_a_link_is_taken_back(access: AccessStore) -> None:
    lasting = invitation(admin=True, expires_at=datetime.now(UTC) + WEEK)
    await access.invite(lasting, "digest", ANN)
    await access.take_back("i1", ANN)
    assert await access.invitation("digest", NOW) is None
    with pytest.raises(NotFound):
        await access.take_back("i1", ANN)


async def test_the_first_account_is_made_once(access: AccessStore) -> None:
    await access.invite(invitation("first_admin", email=None, admin=True), "digest", ANN)
    await access.add_user(user(), "hash", ANN)
    with pytest.raises(Conflict):
        await access.accept("digest", NOW, user("u2", "evil@example.org"), "hash", ANN)
    with pytest.raises(Conflict):
        await access.invite(invitation("first_admin", id="i2", email=None, admin=True), "other", ANN)
    assert list((await access.snapshot()).users) == ["u1"]


async def test_a_reset_changes_the_password_and_ends_every_session(access: AccessStore) -> None:
    await access.add_user(user(), "old", ANN)
    await access.add_session(session(), "digest", WEEK, "")
    await access.invite(invitation("password_reset", email="bob@example.org", user_id="u1"), "link", ANN)
    assert await access.accept("link", NOW, user("other", "evil@example.org"), "new", ANN) == "u1"
    assert await access.password_of("u1") == "new"
    assert await access.session("digest") is None
    assert list((await access.snapshot()).users) == ["u1"]


# --- sessions -------------------------------------------------------------------------------------------------------


async def test_a_session_replaces_the_browsers_and_what_is_over(access: AccessStore) -> None:
    await access.add_session(session(begun=NOW - 2 * WEEK), "expired", WEEK, "")
    await access.add_session(session(), "old", WEEK, "")
    await access.add_session(session(), "new", WEEK, "old")
    assert [await access.session(digest) for digest in ("expired", "old")] == [None, None]
    found = await access.session("new")
    assert found is not None
    assert (found.user_id, found.created_at, found.expires_at) == ("u1", NOW, NOW + WEEK)
    await access.touch_session("new", NOW + timedelta(hours=1))
    [found] = await access.sessions_of("u1")
    assert found.last_used_at == NOW + timedelta(hours=1)


async def test_sessions_end(access: AccessStore) -> None:
    for digest in ("a", "b", "c"):
        await access.add_session(session(), digest, WEEK, "")
    await access.end_session("a")
    assert len(await access.sessions_of("u1")) == 2
    await access.end_sessions("u1")
    assert await access.sessions_of("u1") == []


# --- attempts -------------------------------------------------------------------------------------------------------


def test_how_long_a_subject_waits() -> None:
    assert [wait_after(failures, 3).total_seconds() for failures in range(7)] == [0, 0, 0, 1, 2, 4, 8]
    assert wait_after(10**6, 3) == LONGEST_WAIT


async def test_failures_cost_a_wait_that_grows(access: AccessStore) -> None:
    for _ in range(3):
        assert await access.attempt({"ann": 3}, NOW) == 0
    assert await access.attempt({"ann": 3}, NOW) == 1.0
    assert await access.attempt({"bob": 3, "address": 20}, NOW) == 0
    assert await access.attempt({"ann": 3}, NOW + timedelta(seconds=1)) == 0
    assert await access.attempt({"ann": 3}, NOW + timedelta(seconds=1)) == 2.0
    assert await access.attempt({"ann": 3}, NOW + timedelta(seconds=1) + FORGET_AFTER) == 0


async def test_attempts_at_once_all_count(access: AccessStore) -> None:
    waits = await asyncio.gather(*(access.attempt({"ann": 5}, NOW) for _ in range(20)))
    assert sorted(waits)[:6] == [0, 0, 0, 0, 0, 1.0]


async def test_a_success_forgets_them(access: AccessStore) -> None:
    await access.add_user(user(), "hash", ANN)
    for _ in range(4):
        await access.attempt({"ann": 9, "here": 5}, NOW)
    for _ in range(9):
        assert await access.attempt({"ann": 9, "here": 5}, NOW) == 0
        await access.succeeded("ann", "here", "u1", NOW)
    assert await access.attempt({"ann": 1}, NOW) == 0
    assert await access.attempt({"here": 5}, NOW) == 0  # its four failures still count
    assert await access.attempt({"here": 5}, NOW) == 1.0
    assert (await access.snapshot()).users["u1"].last_login_at == NOW


# --- audit ----------------------------------------------------------------------------------------------------------


async def test_acts_are_written_down_with_who_and_from_where(access: AccessStore) -> None:
    await add_site(access, "shop", "blog")
    await access.add_key(key(), b"\x01", ANN)
    found = await access.audit(10, None, None)
    assert [(entry.action, entry.subject, entry.site_id) for entry in found] == [
        ("key.create", "k1", "shop"),
        ("site.add", "blog", "blog"),
        ("site.add", "shop", "shop"),
    ]
    assert {(entry.actor, entry.address) for entry in found} == {(ANN.name, ANN.address)}
    assert found[0].details == {"kind": "read", "name": "a key", "sites": ["shop"], "rights": ["sql"], "origins": []}


async def test_the_log_is_read_in_pages_and_by_site(access: AccessStore) -> None:
    await add_site(access, *(f"s{number}" for number in range(5)))
    every = [entry.id for entry in await access.audit(100, None, None)]
    first = await access.audit(2, None, None)
    rest = await access.audit(100, first[-1].id, None)
    assert [entry.id for entry in [*first, *rest]] == every
    assert [entry.subject for entry in await access.audit(9, None, frozenset({"s1", "s3"}))] == ["s3", "s1"]
    with pytest.raises(NotFound):
        await access.audit(1, "unknown", None)

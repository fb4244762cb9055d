"""Logins, accounts, roles and invitations (G12): what each is allowed, by the routes that a browser uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick.access import accounts as rules
from tallystick.access.model import COMMAND, Role, SiteRole
from tallystick.access.passwords import LEAST
from tallystick.errors import InvalidRequest
from tests.helpers.http.keyed import Side, opened, send_from_three_sites
from tests.helpers.http.members import PASSWORD, Members

NEW = "another long password"


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with opened(tmp_path) as opened_side:
        yield opened_side


@pytest.fixture
async def members(side: Side) -> Members:
    """Two sites, an administrator, and of shop an owner, an editor and a viewer."""
    made = Members(side)
    await made.sites("shop", "blog")
    await made.user("admin", admin=True)
    for role in Role:
        await made.user(role.value, shop=role)
    return made


# --- logging in and out ---------------------------------------------------------------------------------------------


async def test_a_server_without_accounts_says_so(side: Side) -> None:
    found = (await side.get("/v1/session")).json()
    assert (found["accounts"], found["open"], found["caller"], found["user"]) == (False, True, "open", None)
    assert found["may"]["read"] == ["*"]
    assert (found["may"]["own"], found["may"]["admin"]) == ([], False)
    refused = await side.get("/v1/admin/sites")
    assert refused.status_code == 403
    assert "tallystick users add --admin" in refused.text
    answer = await side.client.post("/v1/session", json={"email": "a@example.org", "password": PASSWORD})
    assert answer.status_code == 401


async def test_who_logs_in_is_known_until_logging_out(side: Side, members: Members) -> None:
    assert (await side.get("/v1/events?site_id=shop")).status_code == 401
    async with members.browser("viewer") as browser:
        found = await browser.session()
        assert (found["accounts"], found["open"], found["caller"]) == (True, False, "user")
        assert found["user"]["email"] == "viewer@example.org"
        assert found["user"]["last_login_at"] is not None
        assert (found["may"]["read"], found["may"]["edit"]) == (["shop"], [])
        assert found["csrf_token"] == browser.csrf_token
        assert (await browser.ask("GET", "/v1/events")).status_code == 200
        assert (await browser.ask("DELETE", "/v1/session")).status_code == 204
        assert (await browser.session())["caller"] == "none"
        assert (await browser.ask("GET", "/v1/events")).status_code == 401


@pytest.mark.parametrize("email", ["viewer@example.org", " Viewer@Example.ORG "])
async def test_the_address_is_read_as_people_write_it(members: Members, email: str) -> None:
    async with members.browser() as browser:
        assert (await browser.log_in(email)).status_code == 200


async def test_a_login_ends_when_it_is_old_or_unused(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    for later in (timedelta(hours=168, seconds=1), timedelta(hours=721)):
        async with members.browser("viewer") as browser:
            assert (await browser.session())["caller"] == "user"
            monkeypatch.setattr(rules, "_now", lambda by=later: datetime.now(UTC) + by)
            assert (await browser.session())["caller"] == "none"
            monkeypatch.undo()


async def test_use_keeps_a_login_but_not_for_ever(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    async with members.browser("viewer") as browser:
        for hours, caller in ((100, "user"), (200, "user"), (360, "user"), (520, "user"), (680, "user"), (721, "none")):
            monkeypatch.setattr(rules, "_now", lambda by=hours: datetime.now(UTC) + timedelta(hours=by))
            assert (await browser.session())["caller"] == caller, hours
        monkeypatch.undo()


async def test_logging_out_everywhere(members: Members) -> None:
    async with members.browser("viewer") as one, members.browser("viewer") as other, members.browser("owner") as third:
        found = (await one.ask("GET", "/v1/account/sessions")).json()["sessions"]
        assert [session["current"] for session in found] == [True, False]
        assert (await one.ask("DELETE", "/v1/account/sessions")).status_code == 204
        assert [(await browser.session())["caller"] for browser in (one, other, third)] == ["none", "none", "user"]


async def test_changing_the_password_ends_the_other_logins(members: Members) -> None:
    async with members.browser("viewer") as one, members.browser("viewer") as other:
        for current, new, status, code in (
            ("wrong", NEW, 403, "wrong_password"),
            (PASSWORD, "x" * (LEAST - 1), 400, "invalid_request"),
            (PASSWORD, "x" * 257, 400, "invalid_request"),
        ):
            refused = await one.ask("POST", "/v1/account/password", {"current_password": current, "new_password": new})
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert (await one.ask("POST", "/v1/account/password", body)).status_code == 204
        assert [(await browser.session())["caller"] for browser in (one, other)] == ["user", "none"]
    async with members.browser() as browser:
        assert (await browser.log_in("viewer")).status_code == 401
        assert (await browser.log_in("viewer", NEW)).status_code == 200


async def test_a_removed_account_is_out_at_once(members: Members) -> None:
    async with members.browser("viewer") as browser:
        user = members.accounts.user_of_email("viewer@example.org")
        await members.accounts.remove_user(user.id, COMMAND)
        assert (await browser.session())["caller"] == "none"
        assert (await browser.log_in("viewer")).status_code == 401


# --- roles ----------------------------------------------------------------------------------------------------------

EXPORT, SQL = ("GET", "/v1/export?site_id=shop", None), ("POST", "/v1/sql", {"sql": "SELECT 1 AS n", "site_id": "shop"})
BOARD = ("POST", "/v1/boards", {"name": "b", "site_id": "shop"})
KEYS = ("GET", "/v1/admin/keys", None)
READS = ("GET", "/v1/events?site_id=shop", None)
OTHERS = ("GET", "/v1/events?site_id=blog", None)
EVERY = ("GET", "/v1/pipeline", None)
SITES = ("POST", "/v1/admin/sites", {"site_id": "third"})
OPERATES = ("POST", "/v1/dead/drop", {"ids": [1]})


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("viewer", [READS]),
        ("editor", [READS, BOARD]),
        ("owner", [READS, BOARD, EXPORT, SQL, KEYS]),
        ("admin", [READS, BOARD, EXPORT, SQL, KEYS, OTHERS, EVERY, SITES, OPERATES]),
    ],
)
async def test_what_each_role_may(members: Members, name: str, allowed: list[Any]) -> None:
    async with members.browser(name) as browser:
        for request in (READS, BOARD, EXPORT, SQL, KEYS, OTHERS, EVERY, SITES, OPERATES):
            status = (await browser.ask(*request)).status_code
            assert status in ((200, 201) if request in allowed else (403,)), request


async def test_a_role_holds_on_its_site_alone(side: Side, members: Members) -> None:
    """An owner of one site and viewer of another exports the one, and not the other."""
    await send_from_three_sites(side)
    await members.user("both", shop=Role.OWNER, blog=Role.VIEWER)
    async with members.browser("both") as browser:
        for site, read, export in (("shop", 200, 200), ("blog", 200, 403), ("default", 403, 403)):
            assert (await browser.ask("GET", f"/v1/events?site_id={site}")).status_code == read
            assert (await browser.ask("GET", f"/v1/export?site_id={site}")).status_code == export
        assert (await browser.ask("GET", "/v1/events")).status_code == 400
        saved = await browser.ask("POST", "/v1/boards", {"name": "b", "site_id": "blog"})
        assert saved.status_code == 403
        live = await browser.ask("GET", "/v1/live?site_id=blog&seconds=0")
        assert live.status_code == 200


async def test_a_viewer_sees_boards_and_changes_none(members: Members) -> None:
    async with members.browser("editor") as editor, members.browser("viewer") as viewer:
        board = (await editor.ask(*BOARD)).json()
        path = f"/v1/boards/{board['id']}"
        assert (await viewer.ask("GET", path)).status_code == 200
        assert [one["id"] for one in (await viewer.ask("GET", "/v1/boards")).json()["boards"]] == [board["id"]]
        change = {"name": "c", "updated_at": board["updated_at"]}
        for request in (("PUT", path, change), ("DELETE", path, None), ("POST", f"{path}/shares", {"name": "s"})):
            assert (await viewer.ask(*request)).status_code == 403
        assert (await editor.ask("DELETE", path)).status_code == 204


async def test_a_changed_role_counts_at_once(members: Members) -> None:
    user = members.accounts.user_of_email("viewer@example.org")
    async with members.browser("admin") as admin, members.browser("viewer") as viewer:
        assert (await viewer.ask(*BOARD)).status_code == 403
        body: dict[str, Any] = {"site_id": "shop", "role": "editor"}
        changed = await admin.ask("PUT", f"/v1/admin/users/{user.id}/role", body)
        assert changed.json()["roles"] == [body]
        assert (await viewer.ask(*BOARD)).status_code == 201
        body = {"site_id": "shop", "role": None}
        await admin.ask("PUT", f"/v1/admin/users/{user.id}/role", body)
        assert (await viewer.ask(*READS)).status_code == 403


async def test_the_last_administrator_stays(members: Members) -> None:
    user = members.accounts.user_of_email("admin@example.org")
    async with members.browser("admin") as admin:
        for request in (
            ("PUT", f"/v1/admin/users/{user.id}/admin", {"admin": False}),
            ("DELETE", f"/v1/admin/users/{user.id}", None),
        ):
            refused = await admin.ask(*request)
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")


# --- what owners manage ---------------------------------------------------------------------------------------------


async def test_an_owner_manages_keys_of_the_site(members: Members) -> None:
    await members.key("read", "blog")
    await members.key("read", "shop", "blog")
    await members.key("admin")
    hidden = [key.id for key in members.accounts.directory.keys]
    async with members.browser("owner") as owner:
        made = await owner.ask("POST", "/v1/admin/keys", {"kind": "write", "name": "page", "sites": ["shop"]})
        assert made.status_code == 201
        assert made.json()["key"].startswith("wk_")
        assert made.json()["hint"] == f"wk_…{made.json()['key'][-4:]}"
        listed = (await owner.ask("GET", "/v1/admin/keys")).json()["keys"]
        assert [key["id"] for key in listed] == [made.json()["id"]]
        assert "key" not in listed[0]
        for kind, sites in (
            ("read", ["blog"]),
            ("read", ["shop", "blog"]),
            ("read", ["*"]),
            ("admin", []),
            ("read", []),
        ):
            refused = await owner.ask("POST", "/v1/admin/keys", {"kind": kind, "name": "", "sites": sites})
            assert refused.status_code == 403, (kind, sites)
        for key_id in hidden:
            assert (await owner.ask("DELETE", f"/v1/admin/keys/{key_id}")).status_code == 404
        assert (await owner.ask("DELETE", f"/v1/admin/keys/{made.json()['id']}")).status_code == 204


async def test_an_owner_sees_the_people_of_the_site(members: Members) -> None:
    await members.user("stranger", blog=Role.OWNER)
    await members.user("both", shop=Role.VIEWER, blog=Role.OWNER)
    stranger = members.accounts.user_of_email("stranger@example.org")
    async with members.browser("owner") as owner:
        found = {user["email"]: user["roles"] for user in (await owner.ask("GET", "/v1/admin/users")).json()["users"]}
        assert sorted(found) == [f"{name}@example.org" for name in ("both", "editor", "owner", "viewer")]
        assert found["both@example.org"] == [{"site_id": "shop", "role": "viewer"}]
        body = {"site_id": "shop", "role": "owner"}
        assert (await owner.ask("PUT", f"/v1/admin/users/{stranger.id}/role", body)).status_code == 404
        both = members.accounts.user_of_email("both@example.org")
        body["site_id"] = "blog"
        assert (await owner.ask("PUT", f"/v1/admin/users/{both.id}/role", body)).status_code == 403
        assert (await owner.ask("DELETE", f"/v1/admin/users/{both.id}")).status_code == 403
        actions = {entry["site_id"] for entry in (await owner.ask("GET", "/v1/admin/audit")).json()["entries"]}
        assert actions == {"shop"}


@pytest.mark.parametrize(
    ("admin", "roles", "status"),
    [
        (False, [("shop", "viewer")], 201),
        (False, [("shop", "owner")], 201),
        (False, [("blog", "viewer")], 403),
        (False, [("shop", "viewer"), ("blog", "viewer")], 403),
        (True, [], 403),
        (False, [], 403),
    ],
)
async def test_whom_an_owner_may_invite(members: Members, admin: bool, roles: Any, status: int) -> None:
    held = [{"site_id": site, "role": role} for site, role in roles]
    async with members.browser("owner") as owner:
        body = {"email": "new@example.org", "admin": admin, "roles": held}
        assert (await owner.ask("POST", "/v1/admin/invitations", body)).status_code == status


# --- links ----------------------------------------------------------------------------------------------------------


async def test_an_invited_person_sets_a_password_and_is_in(members: Members) -> None:
    async with members.browser("admin") as admin, members.browser() as guest:
        roles = [{"site_id": "shop", "role": "editor"}]
        made = await admin.ask("POST", "/v1/admin/invitations", {"email": "New@example.org", "roles": roles})
        url = made.json()["url"]
        assert url.startswith("/ui/join#in_")
        token = url.partition("#")[2]
        assert token not in (await admin.ask("GET", "/v1/admin/invitations")).text
        shown = (await guest.ask("POST", "/v1/invitations/look", {"token": token})).json()
        assert (shown["kind"], shown["email"], shown["roles"]) == ("invitation", "new@example.org", roles)
        short = {"token": token, "name": "New", "password": "short"}
        assert (await guest.ask("POST", "/v1/invitations/accept", short)).status_code == 400
        body = {"token": token, "name": "New", "password": NEW, "email": "evil@example.org"}
        accepted = await guest.ask("POST", "/v1/invitations/accept", body)
        assert accepted.status_code == 200
        assert accepted.json()["user"]["email"] == "new@example.org"
        assert (await guest.session())["may"]["edit"] == ["shop"]
        for path in ("look", "accept"):
            again = {"token": token} if path == "look" else body
            assert (await guest.ask("POST", f"/v1/invitations/{path}", again)).status_code == 404


async def test_a_link_taken_back_is_none(members: Members) -> None:
    async with members.browser("admin") as admin:
        made = (await admin.ask("POST", "/v1/admin/invitations", {"email": "x@example.org", "admin": True})).json()
        assert (await admin.ask("DELETE", f"/v1/admin/invitations/{made['id']}")).status_code == 204
        token = {"token": made["url"].partition("#")[2]}
        assert (await admin.ask("POST", "/v1/invitations/look", token)).status_code == 404


async def test_the_first_link_makes_the_administrator(side: Side) -> None:
    accounts = side.tallystick.accounts
    page = await accounts.invitations.offer_first_account()
    assert page is not None
    again = await accounts.invitations.offer_first_account()
    assert again is None  # the first one is still valid: another process may have printed it
    members = Members(side)
    async with members.browser() as browser:
        assert (await browser.session())["setup"]
        token = page.partition("#")[2]
        body = {"token": token, "name": "A", "password": NEW, "email": "First@example.org"}
        assert (await browser.ask("POST", "/v1/invitations/accept", {**body, "email": ""})).status_code == 400
        accepted = (await browser.ask("POST", "/v1/invitations/accept", body)).json()
        assert (accepted["user"]["email"], accepted["user"]["admin"]) == ("first@example.org", True)
        assert (accepted["accounts"], accepted["setup"]) == (True, False)
    assert await accounts.invitations.offer_first_account() is None


async def test_a_reset_link_sets_a_new_password(members: Members) -> None:
    user = members.accounts.user_of_email("viewer@example.org")
    _, token = await members.accounts.invitations.reset_password(user, COMMAND)
    async with members.browser("viewer") as other, members.browser() as browser:
        shown = (await browser.ask("POST", "/v1/invitations/look", {"token": token})).json()
        assert (shown["kind"], shown["email"]) == ("password_reset", "viewer@example.org")
        accepted = await browser.ask("POST", "/v1/invitations/accept", {"token": token, "password": NEW})
        assert accepted.json()["user"]["id"] == user.id
        assert (await other.session())["caller"] == "none"
    async with members.browser("viewer", NEW):
        pass


async def test_what_administrators_do_is_written_down(members: Members) -> None:
    async with members.browser("admin") as admin:
        await admin.ask(*SITES)
        made = (await admin.ask("POST", "/v1/admin/keys", {"kind": "admin", "name": "robot"})).json()
        page = (await admin.ask("GET", "/v1/admin/audit?limit=2")).json()
        assert [(entry["action"], entry["subject"]) for entry in page["entries"]] == [
            ("key.create", made["id"]),
            ("site.add", "third"),
        ]
        assert {entry["actor"] for entry in page["entries"]} == {"user admin@example.org"}
        older = (await admin.ask("GET", f"/v1/admin/audit?before={page['next_before']}")).text
        assert "third" not in older
        assert "shop" in older
        whole = (await admin.ask("GET", "/v1/admin/audit?limit=1000")).text
        assert made["key"] not in whole
        assert PASSWORD not in whole


async def test_roles_of_a_site_are_unique_in_an_invitation(members: Members) -> None:
    twice = [SiteRole("shop", Role.VIEWER), SiteRole("shop", Role.OWNER)]
    with pytest.raises(InvalidRequest):
        await members.accounts.invitations.invite("x@example.org", False, twice, COMMAND)

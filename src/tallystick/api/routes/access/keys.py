"""Sites and keys: list, make, remove. Owners manage the keys of their sites, administrators everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from tallystick.access import model
from tallystick.access.accounts import Accounts
from tallystick.access.model import Caller, Permission
from tallystick.api.access import shapes
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenCaller, GivenParts
from tallystick.api.query_answer import require_json
from tallystick.api.routes.access.sessions import GivenAccounts
from tallystick.config import Settings
from tallystick.errors import Forbidden, NotFound
from tallystick.keys import EVERY_SITE, SITE_MAX

router = APIRouter(tags=["administration"], route_class=GuardedRoute)

KeyId = Annotated[str, Path(max_length=64)]


@router.get("/v1/admin/sites")
@access(Access.OWNER)
async def access_sites(accounts: GivenAccounts, caller: GivenCaller) -> shapes.AccessSiteList:
    """The sites that keys and roles may name, those that the caller owns."""
    owned = caller.reach(Permission.OWN)
    found = [site for site in accounts.directory.sites if site.site_id in owned]
    return shapes.AccessSiteList(sites=[_site(site) for site in found])


@router.post("/v1/admin/sites", status_code=201, dependencies=[Depends(require_json)])
@access(Access.ADMIN)
async def add_site(accounts: GivenAccounts, caller: GivenCaller, given: shapes.NewSite) -> shapes.AccessSite:
    """Make a site known."""
    return _site(await accounts.add_site(given.site_id, given.name, caller.actor))


@router.delete("/v1/admin/sites", status_code=204)
@access(Access.ADMIN)
async def remove_site(
    accounts: GivenAccounts,
    caller: GivenCaller,
    site_id: Annotated[str, Query(min_length=1, max_length=SITE_MAX)],
) -> Response:
    """Forget a site: its keys are revoked, its roles end. Its events stay."""
    await accounts.remove_site(site_id, caller.actor)
    return Response(status_code=204)


@router.get("/v1/admin/keys")
@access(Access.OWNER)
async def access_keys(accounts: GivenAccounts, caller: GivenCaller) -> shapes.AccessKeyList:
    """Keys that were made while the server ran. Those of the settings are not listed."""
    found = [key for key in accounts.directory.keys if _may_manage(caller, key.kind, key.sites)]
    return shapes.AccessKeyList(keys=[shapes.AccessKey(**shapes.AccessKey.fields_of(key)) for key in found])


@router.post("/v1/admin/keys", status_code=201, dependencies=[Depends(require_json)])
@access(Access.OWNER)
async def create_key(
    accounts: GivenAccounts, caller: GivenCaller, parts: GivenParts, given: shapes.KeyFields
) -> shapes.NewAccessKey:
    """Make a key. It is in this answer only."""
    if not _may_manage(caller, given.kind, given.sites):
        raise Forbidden("make write and read keys of sites that you own; others are an administrator's")
    _may_allow(caller, parts.settings, given)
    key, token = await accounts.create_key(
        given.kind,
        given.name,
        given.sites,
        given.rights,
        given.origins,
        caller.actor,
        events_per_second=given.events_per_second,
        bytes_per_second=given.bytes_per_second,
    )
    return shapes.NewAccessKey(**shapes.AccessKey.fields_of(key), key=token)


@router.patch("/v1/admin/keys/{key_id}", dependencies=[Depends(require_json)])
@access(Access.OWNER)
async def change_quota(
    accounts: GivenAccounts,
    caller: GivenCaller,
    parts: GivenParts,
    key_id: KeyId,
    given: shapes.QuotaChange,
) -> shapes.AccessKey:
    """Change what a write key may send a second: within a second every process keeps to it."""
    key = _managed(accounts, caller, key_id)
    _may_allow(caller, parts.settings, given)
    sent = given.model_fields_set
    changed = await accounts.set_quota(
        key_id,
        given.events_per_second if "events_per_second" in sent else key.events_per_second,
        given.bytes_per_second if "bytes_per_second" in sent else key.bytes_per_second,
        caller.actor,
    )
    return shapes.AccessKey(**shapes.AccessKey.fields_of(changed))


@router.delete("/v1/admin/keys/{key_id}", status_code=204)
@access(Access.OWNER)
async def revoke_key(accounts: GivenAccounts, caller: GivenCaller, key_id: KeyId) -> Response:
    """Revoke a key: within a second no process accepts it."""
    _managed(accounts, caller, key_id)
    await accounts.revoke_key(key_id, caller.actor)
    return Response(status_code=204)


def _managed(accounts: Accounts, caller: Caller, key_id: str) -> model.Key:
    """The key, if the caller may manage it. Raises NotFound."""
    found = [key for key in accounts.directory.keys if key.id == key_id]
    if not found or not _may_manage(caller, found[0].kind, found[0].sites):
        raise NotFound(f"there is no key {key_id!r}")
    return found[0]


def _may_allow(caller: Caller, settings: Settings, given: shapes.KeyFields | shapes.QuotaChange) -> None:
    """Whether a caller may give a key this quota: a site's owner cannot take back what the operator limited.

    Raises:
        Forbidden: it is more than the settings allow each key, and the caller is no administrator.
    """
    if caller.may(Permission.ADMIN):
        return
    for rate, most, field in (
        (given.events_per_second, settings.quota_key_events, "events_per_second"),
        (given.bytes_per_second, settings.quota_key_bytes, "bytes_per_second"),
    ):
        if rate is not None and most and not 0 < rate <= most:
            raise Forbidden(f"{field}: an owner gives a key at most {most:,}, as the settings do")


def _may_manage(caller: Caller, kind: model.KeyKind, sites: Sequence[str]) -> bool:
    """Whether a caller may see, make and revoke a key of this kind for these sites."""
    if caller.may(Permission.ADMIN):
        return True
    owned = caller.reach(Permission.OWN)
    return kind != "admin" and bool(sites) and all(site != EVERY_SITE and site in owned for site in sites)


def _site(site: model.Site) -> shapes.AccessSite:
    return shapes.AccessSite(site_id=site.site_id, name=site.name, created_at=site.created_at)

"""Sites that keys and roles may name."""

from __future__ import annotations

from datetime import UTC, datetime

from tallystick.access.model import Actor, Site
from tallystick.access.scripts import audit, invitations, keys
from tallystick.access.scripts.common import Script, Step, bump, json_text
from tallystick.analysis.buckets import instant_of, micros
from tallystick.errors import Conflict, NotFound


def add(site: Site, actor: Actor) -> Script[None]:
    yield from bump()
    if (yield Step("site", (site.site_id,))):
        raise Conflict(f"the site {site.site_id!r} is there already")
    yield Step("insert_site", (site.site_id, site.name, micros(site.created_at)))
    yield from audit.note(actor, "site.add", site.site_id, site.site_id, {"name": site.name})


def remove(site_id: str, actor: Actor) -> Script[None]:
    yield from bump()
    if not (yield Step("site", (site_id,))):
        raise NotFound(f"there is no site {site_id!r}")
    yield Step("delete_site", (site_id,))
    yield Step("delete_roles_of_site", (site_id,))
    now = datetime.now(UTC)
    for key in (yield from keys.by_digest()).values():
        left = [site for site in key.sites if site != site_id]
        if left == key.sites or key.revoked_at is not None:
            continue
        if left:
            yield Step("replace_sites_of_key", (key.id, json_text(left)))
        else:
            yield Step("revoke_key", (key.id, micros(now)))
    for invitation in (yield from invitations.valid(instant_of(0))):
        roles = [held for held in invitation.roles if held.site_id != site_id]
        if not roles and invitation.roles and not invitation.admin:
            yield Step("delete_invitation", (invitation.id,))
        elif roles != invitation.roles:
            yield Step("replace_roles_of_invitation", (invitation.id, json_text(roles)))
    yield from audit.note(actor, "site.remove", site_id, site_id)

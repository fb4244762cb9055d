import type { Account, Role, SiteRole } from "../../../api/types";

/** Roles of people on sites, as words and as changes. */

export const ROLES: readonly { value: Role; label: string; may: string }[] = [
  { value: "viewer", label: "Viewer", may: "reads" },
  { value: "editor", label: "Editor", may: "reads, and saves reports and boards" },
  {
    value: "owner",
    label: "Owner",
    may: "also runs SQL and exports, and manages keys and people of the site",
  },
];

/** The role on each site that has one. A map: a site may be called like a property that every object has. */
export type RoleBySite = ReadonlyMap<string, Role>;

export const bySite = (roles: readonly SiteRole[]): RoleBySite =>
  new Map(roles.map(({ site_id, role }) => [site_id, role]));

export const listed = (roles: RoleBySite): SiteRole[] =>
  [...roles].map(([site_id, role]) => ({ site_id, role }));

/** The same roles with one changed; null takes it away. */
export function withRole(roles: RoleBySite, site: string, role: Role | null): RoleBySite {
  const changed = new Map(roles);
  if (role === null) changed.delete(site);
  else changed.set(site, role);
  return changed;
}

/** What has to be sent so that the roles before become those after. */
export function changesOf(before: RoleBySite, after: RoleBySite): { site_id: string; role: Role | null }[] {
  const sites = [...new Set([...before.keys(), ...after.keys()])];
  return sites
    .filter((site) => before.get(site) !== after.get(site))
    .map((site) => ({ site_id: site, role: after.get(site) ?? null }));
}

/** What an account, or an invitation, may do. */
export function rolesText({ admin, roles }: Pick<Account, "admin" | "roles">): string {
  if (admin) return "Administrator of the whole server";
  if (roles.length === 0) return "No role on any site";
  return roles.map(({ site_id, role }) => `${labelOf(role)} of ${site_id}`).join(", ");
}

function labelOf(role: Role): string {
  return ROLES.find(({ value }) => value === role)?.label ?? role;
}

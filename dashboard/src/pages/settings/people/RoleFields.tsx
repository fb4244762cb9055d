import { useQuery } from "@tanstack/react-query";
import { sitesOptions } from "../../../api/access";
import type { Role } from "../../../api/types";
import { Select } from "../../../components/controls/Select";
import { ErrorNote } from "../../../components/display/ErrorNote";
import { Skeleton } from "../../../components/display/Skeleton";
import { type RoleBySite, ROLES, withRole } from "./roles";
import "./RoleFields.css";

const NONE = "";
const OPTIONS = [{ value: NONE, label: "No role" }, ...ROLES.map(({ value, label }) => ({ value, label }))];

/** What somebody may do: everything, or a role on some sites. `onAdmin` is null where the reader may not decide about it. */
export function RoleFields({
  admin,
  roles,
  onAdmin,
  onRoles,
}: {
  admin: boolean;
  roles: RoleBySite;
  onAdmin: ((admin: boolean) => void) | null;
  onRoles: (roles: RoleBySite) => void;
}) {
  const sites = useQuery(sitesOptions);
  return (
    <>
      {onAdmin && (
        <label className="check">
          <input type="checkbox" checked={admin} onChange={(event) => onAdmin(event.target.checked)} />
          Administrator of the whole server
        </label>
      )}
      {!admin && (
        <fieldset className="field-group">
          <legend>Roles</legend>
          <div className="choices">
            {sites.data ? (
              sites.data.map(({ site_id }) => (
                <div className="role-field" key={site_id}>
                  <span aria-hidden>{site_id}</span>
                  <Select<string>
                    label={`Role on ${site_id}`}
                    value={roles.get(site_id) ?? NONE}
                    options={OPTIONS}
                    onChange={(value) =>
                      onRoles(withRole(roles, site_id, value === NONE ? null : (value as Role)))
                    }
                  />
                </div>
              ))
            ) : sites.error ? (
              <ErrorNote error={sites.error} retry={() => void sites.refetch()} />
            ) : (
              <Skeleton lines={2} />
            )}
            {sites.data?.length === 0 && <p className="muted">There is no site yet: add one first.</p>}
          </div>
          <ul className="role-help muted">
            {ROLES.map(({ value, label, may }) => (
              <li key={value}>
                <strong>{label}</strong> {may}
              </li>
            ))}
          </ul>
        </fieldset>
      )}
    </>
  );
}

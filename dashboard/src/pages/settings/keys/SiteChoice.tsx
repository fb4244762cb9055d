import { useQuery } from "@tanstack/react-query";
import { sitesOptions } from "../../../api/access";
import { ErrorNote } from "../../../components/display/ErrorNote";
import { Skeleton } from "../../../components/display/Skeleton";

/** Some of the sites, or `one` of them, or every one where `onEvery` is given. */
export function SiteChoice({
  one,
  every,
  sites,
  onEvery,
  onSites,
}: {
  one: boolean;
  every: boolean;
  sites: string[];
  onEvery: ((every: boolean) => void) | null;
  onSites: (sites: string[]) => void;
}) {
  const known = useQuery(sitesOptions);
  const set = (site: string, chosen: boolean) =>
    onSites(one ? [site] : chosen ? [...sites, site] : sites.filter((other) => other !== site));
  return (
    <fieldset className="field-group">
      <legend>{one ? "For which site" : "For which sites"}</legend>
      <div className="choices">
        {onEvery && (
          <label className="check">
            <input type="checkbox" checked={every} onChange={(event) => onEvery(event.target.checked)} />
            Every site, also later ones
          </label>
        )}
        {known.data ? (
          known.data.map(({ site_id }) => (
            <label className="check" key={site_id}>
              <input
                type={one ? "radio" : "checkbox"}
                name="site"
                disabled={every}
                checked={!every && sites.includes(site_id)}
                onChange={(event) => set(site_id, event.target.checked)}
              />
              {site_id}
            </label>
          ))
        ) : known.error ? (
          <ErrorNote error={known.error} retry={() => void known.refetch()} />
        ) : (
          <Skeleton lines={2} />
        )}
        {known.data?.length === 0 && <p className="muted">There is no site yet: add one first.</p>}
      </div>
    </fieldset>
  );
}

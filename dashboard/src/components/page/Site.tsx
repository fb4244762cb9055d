import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { useLocation } from "wouter";
import { deniedSite, useSites } from "../../api/sites";
import { EmptyState } from "../display/EmptyState";
import { ErrorNote } from "../display/ErrorNote";
import { Skeleton } from "../display/Skeleton";
import { Install } from "../../install/Install";
import { useNewest } from "../../install/install";
import { type Problem, problemsOf } from "./problems";
import { Button } from "../controls/Button";
import type { Params } from "../../scope/address";
import { useParams } from "../../scope/scope";

/**
 * A page's content, once it is known that there are events; before the first one, how to send it. Where the address is not
 * understood there are no numbers: without the filter that cannot be read they would be others.
 */
export function Site({ children }: { children: ReactNode }) {
  const sites = useSites();
  const [params, update] = useParams();
  const [path] = useLocation();
  const problems = problemsOf(path, params);
  if (problems.length > 0) return <NotUnderstood problems={problems} update={update} />;
  if (sites.loading) {
    return sites.error ? (
      <ErrorNote error={sites.error} retry={sites.retry} />
    ) : (
      <Skeleton lines={3} height={120} />
    );
  }
  if (deniedSite(sites, params.get("site"))) return <Denied names={sites.names} update={update} />;
  if (sites.names.length === 0) return sites.every ? <Install /> : <NoSite />;
  return children;
}

/** The content of the first page: how to send events while the site, or the only site of the read key, has none. */
export function FirstPage({ children }: { children: ReactNode }) {
  const sites = useSites();
  const [params] = useParams();
  const named = params.get("site");
  // The sites of somebody who may read some only are listed with and without events.
  const site = sites.every ? named : (named ?? sites.names[0] ?? null);
  const absent = site !== null && site !== "*" && !(sites.every && sites.names.includes(site));
  const asked = !sites.loading && absent && !deniedSite(sites, named);
  const { known, event } = useNewest(site, asked);
  return <Site>{asked && known && event === undefined ? <Install /> : children}</Site>;
}

function NotUnderstood({ problems, update }: { problems: Problem[]; update: (change: Params) => void }) {
  const remedy: Params = Object.assign({}, ...problems.map((problem) => problem.remedy)) as Params;
  return (
    <div className="note note-error" role="alert">
      <TriangleAlert size={18} aria-hidden />
      <div>
        <p>This address is not understood, so no numbers are shown.</p>
        <ul>
          {[...new Set(problems.map(({ says }) => says))].map((says) => (
            <li key={says}>{says}</li>
          ))}
        </ul>
        <Button onClick={() => update(remedy)}>Show the page without</Button>
      </div>
    </div>
  );
}

/** The address names a site, or all of them, that the account or the key does not read. */
function Denied({ names, update }: { names: string[]; update: (change: Params) => void }) {
  const [first] = names;
  return (
    <div className="note note-error" role="alert">
      <TriangleAlert size={18} aria-hidden />
      <p>This page is about a site that you may not read, or about all of them.</p>
      {first !== undefined && <Button onClick={() => update({ site: first })}>Show {first}</Button>}
    </div>
  );
}

function NoSite() {
  return (
    <section className="card">
      <EmptyState title="There is no site for you yet">
        <p>Ask an administrator for a role on one.</p>
      </EmptyState>
    </section>
  );
}

import type { ReactNode } from "react";
import { useSites } from "../../api/sites";
import { ErrorNote } from "../display/ErrorNote";
import { Skeleton } from "../display/Skeleton";
import { Welcome } from "./Welcome";
import { useParams } from "../../scope/scope";

/** A page's content, once it is known that there are events; before the first one, how to send it. */
export function Site({ children }: { children: ReactNode }) {
  const sites = useSites();
  const [params] = useParams();
  if (sites.loading) {
    return sites.error ? (
      <ErrorNote error={sites.error} retry={sites.retry} />
    ) : (
      <Skeleton lines={3} height={120} />
    );
  }
  if (!sites.restricted && sites.names.length === 0) {
    const named = params.get("site");
    return <Welcome site={named === "*" ? null : named} />;
  }
  return children;
}

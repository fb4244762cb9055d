import type { QueryScope } from "../../api/query";
import type { PathsQuery } from "../../api/types";
import type { Params } from "../../scope/scope";

/** What the address says of the paths. */

export const LENGTHS = [2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
export const MOST = [4, 6, 8, 12] as const;

/** Edges of a step that are queried: nearly all, so that the chart can say what it leaves out. */
const EDGES = 200;

export type Anchor = "none" | "start" | "end";

export interface Paths {
  by: "page" | "event";
  /** Whether paths begin with `at`, or lead to it. */
  anchor: Anchor;
  /** Empty: not chosen yet. */
  at: string;
  steps: number;
  merge: boolean;
  /** Nodes of a step in the picture. */
  most: number;
}

export function readPaths(params: URLSearchParams): Paths {
  const [start, end] = [params.get("start"), params.get("end")];
  const steps = Number(params.get("steps"));
  const most = Number(params.get("most"));
  return {
    by: params.get("of") === "event" ? "event" : "page",
    anchor: start !== null ? "start" : end !== null ? "end" : "none",
    at: start ?? end ?? "",
    steps: LENGTHS.find((one) => one === steps) ?? 5,
    merge: params.get("merge") !== "0",
    most: MOST.find((one) => one === most) ?? 6,
  };
}

/** The whole of its part of the address; what is as usual is left out. */
export function pathsParams({ by, anchor, at, steps, merge, most }: Paths): Params {
  return {
    of: by === "event" ? "event" : null,
    start: anchor === "start" ? at : null,
    end: anchor === "end" ? at : null,
    steps: steps === 5 ? null : String(steps),
    merge: merge ? null : "0",
    most: most === 6 ? null : String(most),
  };
}

/** null while the page or event is not chosen. */
export function pathsQuery(scope: QueryScope, { by, anchor, at, steps, merge }: Paths): PathsQuery | null {
  if (anchor !== "none" && at === "") return null;
  const ends = anchor === "none" ? {} : { [anchor]: at };
  return { kind: "paths", ...scope, by, ...ends, steps, merge, top: EDGES };
}

import type { FunnelRow } from "../../api/types";
import { textIn } from "../../api/rows";

/** A funnel's rows as groups with their steps. Nothing here sends a query or draws. */

export interface FunnelStep {
  users: number;
  /** Did the step before and not this one. */
  dropped: number;
  /** Shares from 0 to 1; null where no user began. */
  fromFirst: number | null;
  fromPrevious: number | null;
  /** Seconds since the step before. */
  median: number | null;
  p90: number | null;
}

export interface FunnelGroup {
  id: string;
  label: string;
  rest: boolean;
  steps: FunnelStep[];
}

/** The groups in the answer's order, the largest first; without a breakdown one group of all users. */
export function funnelGroups(rows: readonly FunnelRow[], breakdown: string | undefined): FunnelGroup[] {
  const groups = new Map<string, FunnelGroup>();
  for (const row of rows) {
    const value = breakdown === undefined ? undefined : textIn(row, breakdown);
    const rest = row.other === true;
    const id = rest ? "other" : value == null ? "none" : `=${value}`;
    let group = groups.get(id);
    if (!group) {
      group = { id, label: labelOf(value, rest), rest, steps: [] };
      groups.set(id, group);
    }
    const before = group.steps.at(-1);
    group.steps.push({
      users: row.users,
      dropped: before ? before.users - row.users : 0,
      fromFirst: row.from_first,
      fromPrevious: row.from_previous,
      median: row.median_seconds,
      p90: row.p90_seconds,
    });
  }
  return [...groups.values()];
}

function labelOf(value: string | null | undefined, rest: boolean): string {
  if (rest) return "All others";
  if (value === undefined) return "Everybody";
  return value === null ? "(none)" : value || "(empty)";
}

/** The funnel of all groups together. A person is in one group, so users add up; median times do not. */
export function wholeFunnel(groups: readonly FunnelGroup[]): FunnelStep[] {
  const [first, ...others] = groups;
  if (!first) return [];
  if (others.length === 0) return first.steps;
  const users = first.steps.map((_, index) =>
    groups.reduce((sum, group) => sum + (group.steps[index]?.users ?? 0), 0),
  );
  return users.map((count, index) => {
    const before = users[Math.max(0, index - 1)] ?? 0;
    return {
      users: count,
      dropped: before - count,
      fromFirst: users[0] ? count / users[0] : null,
      fromPrevious: before ? count / before : null,
      median: null,
      p90: null,
    };
  });
}

/** A share of 0 to 1 as a percentage; a dash where there is none. */
export function shareText(part: number | null): string {
  if (part === null) return "–";
  if (part === 0 || part === 1) return `${part * 100}%`;
  if (part < 0.0005) return "<0.1%";
  return part > 0.9995 ? ">99.9%" : `${(part * 100).toFixed(1)}%`;
}

import type { RetentionRow } from "../../api/types";

/** What a retention answer's rows say together. Nothing here sends a query or draws. */

export interface Mean {
  /** Of the cohorts that count. */
  users: number;
  /** From 0 to 1; null where no cohort has completed the period. */
  share: number | null;
  returned: number;
}

/** For each period the share over all cohorts for which it is over, larger cohorts counting more. */
export function meanRetention(rows: readonly RetentionRow[]): Mean[] {
  const periods = Math.max(0, ...rows.map((row) => row.returned.length));
  return Array.from({ length: periods }, (_, period) => {
    let users = 0;
    let returned = 0;
    for (const row of rows) {
      if (period >= row.complete) continue;
      users += row.users;
      returned += row.returned[period] ?? 0;
    }
    return { users, returned, share: users ? returned / users : null };
  });
}

/** Without the periods before the first that has users. */
export function begun<Row>(rows: readonly Row[], hasUsers: (row: Row) => boolean): Row[] {
  const first = rows.findIndex(hasUsers);
  return first < 0 ? [] : rows.slice(first);
}

export const LEVELS = 8;

/** The share that gets the strongest colour: the largest of those who came back later, not in the period itself. */
export function strongest(rows: readonly RetentionRow[]): number {
  const later = rows.flatMap((row) => row.shares.slice(1).filter((share) => share !== null));
  return Math.max(0, ...later) || 1;
}

/** How strong a share's colour is, from 0 to LEVELS. */
export function level(share: number | null, most: number): number {
  return share === null || share <= 0 ? 0 : Math.min(LEVELS, Math.max(1, Math.ceil((share / most) * LEVELS)));
}

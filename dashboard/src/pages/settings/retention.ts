import type { Rule } from "../../api/retention";

/** Most days of a rule, as the server takes it. */
const MOST = 36_500;

/** How long `days` is, in words; null: for ever. */
export function daysText(days: number | null): string {
  if (days === null) return "for ever";
  return days === 1 ? "1 day" : `${String(days)} days`;
}

/** The rule that a form says; null: it says none yet. */
export function ruleOf(kind: string, days: string): Rule | null {
  if (kind === "default") return "default";
  if (kind === "ever") return { days: null };
  const number = Number(days);
  return Number.isInteger(number) && number >= 1 && number <= MOST ? { days: number } : null;
}

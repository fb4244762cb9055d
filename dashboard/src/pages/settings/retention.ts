import type { Rule } from "../../api/retention";
import type { RetentionChange, RetentionRules } from "../../api/types";
import { exact } from "../../format/number";

/** Most days of a rule, as the server takes it. */
const MOST = 36_500;

/** How long `days` is, in words; null: for ever. */
export function daysText(days: number | null): string {
  if (days === null) return "for ever";
  return days === 1 ? "1 day" : `${String(days)} days`;
}

/** What a form says about rollups: as on other sites, that they stay, or that they go with their events. */
export type Rollups = "default" | "stay" | "go";

/** What a rule says about rollups, as a form has it. */
export function rollupsOf(keeps: boolean | null | undefined): Rollups {
  return keeps == null ? "default" : keeps ? "stay" : "go";
}

/** The rule that a form says; null: it says none yet. */
export function ruleOf(kind: string, days: string, rollups: Rollups): Rule | null {
  if (kind === "default") return "default";
  const keep_rollups = rollups === "default" ? null : rollups === "stay";
  if (kind === "ever") return { days: null, keep_rollups };
  const number = Number(days);
  const whole = Number.isInteger(number) && number >= 1 && number <= MOST;
  return whole ? { days: number, keep_rollups } : null;
}

/** Tells of which sites rollups stay when their events go. */
export function keepingSites(rules: RetentionRules): (site: string) => boolean {
  const said = new Map(rules.rules.map((rule) => [rule.site_id, rule.keep_rollups]));
  return (site) => said.get(site) ?? rules.default_keep_rollups;
}

/** Whether a change removes anything. */
export function goes(change: RetentionChange): boolean {
  return change.events > 0 || change.kept_events > 0;
}

/** What a change removes, in words. */
export function goingText(change: RetentionChange): string {
  const sentences: string[] = [];
  if (change.events > 0) {
    const how = change.keep_rollups ? "; their rollups stay" : ", with every number that they stand in";
    sentences.push(`${exact(change.events)} events that are older are removed for good${how}.`);
  }
  if (change.kept_events > 0) {
    const number = exact(change.kept_events);
    sentences.push(`Rollups that stayed of ${number} removed events go too, for good.`);
  }
  return sentences.join(" ") || "No event is older.";
}

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

/** The rule that a form says; null: it says none yet. */
export function ruleOf(kind: string, days: string): Rule | null {
  if (kind === "default") return "default";
  if (kind === "ever") return { days: null };
  const number = Number(days);
  return Number.isInteger(number) && number >= 1 && number <= MOST ? { days: number } : null;
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

import { type PresetId, PRESETS, type Range } from "../../scope/range";
import { parseDay } from "../../scope/zone";

/** Ranges as the API writes them in a report: `7d`, or two days `2026-11-01/2026-11-21`. */

/** The dashboard's names that the API has others for. */
const NAMES: Partial<Record<PresetId, string>> = { "12m": "12mo" };

export function rangeText(range: Range): string {
  return "preset" in range ? (NAMES[range.preset] ?? range.preset) : `${range.from}/${range.to}`;
}

/** null: the dashboard has no such range. */
export function rangeFrom(text: string): Range | null {
  const preset = PRESETS.find(({ id }) => (NAMES[id] ?? id) === text);
  if (preset) return { preset: preset.id };
  const [from, to, ...more] = text.split("/");
  if (from === undefined || to === undefined || more.length > 0) return null;
  return parseDay(from) && parseDay(to) && from <= to ? { from, to } : null;
}

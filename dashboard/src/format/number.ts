/** Numbers as short text. The exact one belongs into a tooltip. */

const exactFormat = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

export function exact(value: number): string {
  return exactFormat.format(value);
}

const STEPS: [number, string][] = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];

/** Three significant digits and a suffix: 999, 12.3k, 4.56M. */
export function short(value: number): string {
  const size = Math.abs(value);
  for (const [index, [step, suffix]] of STEPS.entries()) {
    // 999,950 is 1M, not 1000k.
    if (size < step * 0.9995) continue;
    const text = significant(value / step);
    const larger = STEPS[index - 1];
    return Math.abs(Number(text)) >= 1000 && larger
      ? `${significant(value / larger[0])}${larger[1]}`
      : text + suffix;
  }
  return Number.isInteger(value) ? String(value) : significant(value);
}

function significant(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

export interface Change {
  text: string;
  direction: "up" | "down" | "same";
}

/** How far `now` is from `before`; null when there was nothing to compare with. */
export function change(now: number | null, before: number | null): Change | null {
  if (now === null || before === null || before === 0) return null;
  const percent = ((now - before) / Math.abs(before)) * 100;
  const size = Math.abs(percent);
  const text = size >= 1000 ? short(size) : size >= 9.95 ? size.toFixed(0) : size.toFixed(1);
  if (Number(size.toFixed(1)) === 0) return { text: "0%", direction: "same" };
  return percent > 0 ? { text: `+${text}%`, direction: "up" } : { text: `−${text}%`, direction: "down" };
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return "–";
  const value = (part / whole) * 100;
  if (value > 0 && value < 0.1) return "<0.1%";
  return `${value >= 9.95 ? value.toFixed(0) : value.toFixed(1)}%`;
}

export function bytes(value: number): string {
  // The suffix for 10^9 is B for numbers and GB for bytes.
  return value < 1000
    ? `${value} B`
    : `${short(value).replace(/[kMBT]$/, (suffix) => ` ${suffix === "B" ? "G" : suffix}`)}B`;
}

/** 0.4 s, 12 s, 3 min, 2 h, 5 d. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(0)} s`;
  if (seconds < 99.5 * 60) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(0)} h`;
  return `${(seconds / 86400).toFixed(0)} d`;
}

/** A share from 0 to 1: 45.6%. */
export function share(part: number): string {
  return `${String(Number((part * 100).toFixed(1)))}%`;
}

/** How long a visit took: 9s, 2m 05s, 1h 02m. */
export function minutes(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor(whole / 60) % 60)}m`;
}

/** What a metric's numbers are, and with that how they are written. */
export type Unit = "number" | "share" | "seconds";

export function shortIn(unit: Unit, value: number): string {
  return unit === "share" ? share(value) : unit === "seconds" ? minutes(value) : short(value);
}

export function exactIn(unit: Unit, value: number): string {
  if (unit === "share") return `${exact(value * 100)}%`;
  return unit === "seconds" ? `${exact(value)} seconds` : exact(value);
}

/** Seconds ago, in words. */
export function ago(seconds: number): string {
  return seconds < 1 ? "just now" : `${duration(Math.floor(seconds)).replace(".0 s", " s")} ago`;
}

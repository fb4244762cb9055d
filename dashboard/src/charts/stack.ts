/**
 * Series on top of each other, negative ones below zero: for each bucket the two ends of every series, the one nearer
 * to zero first; null counts as nothing.
 */
export function stacked(series: readonly (number | null)[][]): [number, number][][] {
  const above = new Array<number>(series[0]?.length ?? 0).fill(0);
  const below = [...above];
  return series.map((values) =>
    values.map((value, index) => {
      const heights = (value ?? 0) < 0 ? below : above;
      const from = heights[index] ?? 0;
      const to = from + (value ?? 0);
      heights[index] = to;
      return [from, to];
    }),
  );
}

/** Pixels of a character of a label below a chart, at most. */
const CHARACTER = 7;

/**
 * Where a label below a chart is anchored, so that neither edge cuts it: at the middle where half of it fits on both sides.
 *
 * @param at - Pixels from the left end of the axis, which is `width` long; `margin` pixels are free on the right.
 */
export function anchorOf(
  text: string,
  at: number,
  width: number,
  margin: number,
): "start" | "middle" | "end" {
  const half = (text.length * CHARACTER) / 2;
  if (at < half) return "start";
  return at + half > width + margin ? "end" : "middle";
}

/** Which buckets get a label: evenly spaced, at least `gap` pixels apart. */
export function tickIndexes(count: number, width: number, gap: number): number[] {
  if (count === 0) return [];
  const step = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(width / gap))));
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}

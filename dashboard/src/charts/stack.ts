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

/** Which buckets get a label: evenly spaced, at least `gap` pixels apart. */
export function tickIndexes(count: number, width: number, gap: number): number[] {
  if (count === 0) return [];
  const step = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(width / gap))));
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}

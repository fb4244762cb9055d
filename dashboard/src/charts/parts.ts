/** The buckets of a chart that are whole, and those that the range or the current time cuts. */

/** Indexes from the first, included, to the second, excluded. */
export type Part = readonly [number, number];

/** The whole buckets: those between the cut ones at the ends. All, where the chart says nothing of them. */
export function wholePart(count: number, complete: readonly boolean[] | undefined): Part {
  if (!complete) return [0, count];
  const first = complete.indexOf(true);
  return first < 0 ? [0, 0] : [first, complete.lastIndexOf(true) + 1];
}

/** The parts with the cut buckets, each with the whole bucket that it touches, so that a line joins them. */
export function cutParts(count: number, [first, end]: Part): Part[] {
  if (first === end) return [[0, count]];
  const parts: Part[] = [
    [0, first + 1],
    [end - 1, count],
  ];
  return parts.filter(([from, to]) => to - from > 1);
}

export function points(
  values: readonly (number | null)[],
  [first, end]: Part,
): { value: number | null; index: number }[] {
  return values.slice(first, end).map((value, at) => ({ value, index: first + at }));
}

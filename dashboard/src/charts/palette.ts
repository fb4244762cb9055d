/** Colours that people with any colour vision tell apart (after Okabe and Ito); see styles/base.css. */
const COLOURS = 7;

export function seriesColour(index: number): string {
  return `var(--series-${(index % COLOURS) + 1})`;
}

export const REST_COLOUR = "var(--series-rest)";

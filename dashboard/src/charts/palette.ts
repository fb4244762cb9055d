/** Colours that differ for any colour vision (after Okabe and Ito); see app/base.css. */
const COLOURS = 7;

export function seriesColour(index: number): string {
  return `var(--series-${(index % COLOURS) + 1})`;
}

export const REST_COLOUR = "var(--series-rest)";

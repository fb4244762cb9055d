/** A number of which JavaScript's own would lose digits: an id of 19 digits, a sum of money of 20. */
export class Digits {
  constructor(readonly text: string) {}
}

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/** JSON, with numbers that JavaScript cannot hold as `Digits`, where the browser tells what was written. */
export function exactly(json: string): unknown {
  const revive: Reviver = (_, value, context) =>
    typeof value === "number" && context?.source !== undefined && loses(value, context.source)
      ? new Digits(context.source)
      : value;
  return JSON.parse(json, revive);
}

/** Whether a number is another one than was written; `1.50` is, so that what was written is shown. */
export function loses(value: number, source: string): boolean {
  return String(value) !== source && !/[eE]/.test(source);
}

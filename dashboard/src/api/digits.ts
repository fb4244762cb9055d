/** A number of which JavaScript's own would lose digits: an id of 19 digits, a sum of money of 20. */
export class Digits {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

const SIXTEEN_DIGITS = /\d{16}/;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** Marks the digits in a text; no text of a reader begins with this character of the private use area. */
const MARK = "\uE000digits:";
const MARKED = /"\uE000digits:(-?\d+)"/g;

/** JSON, with integers beyond 2^53 as `Digits`, in every browser. Other numbers are JavaScript's own. */
export function parse(json: string): unknown {
  // Few answers have so many digits in a row; most are read as fast as before.
  if (!SIXTEEN_DIGITS.test(json)) return JSON.parse(json);
  const marked = json.replace(TOKENS, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${MARK}${token}"` : token,
  );
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === "string" && value.startsWith(MARK) ? new Digits(value.slice(MARK.length)) : value,
  );
}

/** A value as JSON; `Digits` are written as the numbers that they are. */
export function stringify(value: unknown, indent?: number): string {
  const marked = JSON.stringify(
    value,
    (_, part: unknown) => (part instanceof Digits ? MARK + part.text : part),
    indent,
  );
  return marked.replace(MARKED, "$1");
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

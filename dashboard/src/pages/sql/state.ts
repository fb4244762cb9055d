/** What the address says of a statement, and what else needs no page to be worked out. */

/** Most characters of a statement in the address: servers refuse requests with much longer ones. */
export const ADDRESS_MAX = 6_000;

export interface Place {
  line: number;
  column: number;
}

/** Where the server says that a statement is wrong: `sql: line 2, column 7: …`. */
export function placeOf(message: string): Place | null {
  const found = /\bline (\d+), column (\d+)/.exec(message);
  return found ? { line: Number(found[1]), column: Number(found[2]) } : null;
}

/** The server's sentence without the field that it is about, and without the place, which is shown beside it. */
export function sentence(message: string): string {
  return message.replace(/^sql: (line \d+, column \d+: )?/, "");
}

/** The character that stands at a place; lines and columns count from 1. */
export function offsetOf(text: string, { line, column }: Place): number {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  return Math.min(before + Math.min(Math.max(column - 1, 0), (lines[line - 1] ?? "").length), text.length);
}

/** Where the word ends that stands at a character; a sign is a word of its own. */
export function wordEnd(text: string, at: number): number {
  return at + (/^\w+/.exec(text.slice(at))?.[0].length ?? 1);
}

/** `text` with `word` at the selection, set apart by blanks where it would run into something else. */
export function inserted(text: string, start: number, end: number, word: string): string {
  const before = /[\w"']$/.test(text.slice(0, start)) ? " " : "";
  const after = /^[\w"']/.test(text.slice(end)) ? " " : "";
  return before + word + after;
}

export type Token = "word" | "text" | "number" | "comment" | "plain";

const KEYWORDS =
  "all and any array as asc between by case cast cross cube desc distinct else end escape except exists " +
  "extract false following for from full group grouping having if ilike in inner intersect " +
  "interval is join last lateral left like limit materialized not null nulls offset on or order outer " +
  "over partition preceding qualify right rollup rows select sets table then to true " +
  "unbounded union using when where window with within year";
const WORDS = new Set(KEYWORDS.split(" "));
const TOKENS =
  /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*(?:'|$))|("(?:[^"]|"")*(?:"|$))|(\b\d+(?:\.\d+)?\b)|([A-Za-z_]\w*)/g;

/** The pieces of a statement, in order and complete: joined they are the text again. */
export function tokens(text: string): { kind: Token; text: string }[] {
  const found: { kind: Token; text: string }[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    if (match.index > end) found.push({ kind: "plain", text: text.slice(end, match.index) });
    const [piece, comment, quoted, , number, word] = match;
    const kind: Token =
      comment !== undefined
        ? "comment"
        : quoted !== undefined
          ? "text"
          : number !== undefined
            ? "number"
            : word !== undefined && WORDS.has(word.toLowerCase())
              ? "word"
              : "plain";
    found.push({ kind, text: piece });
    end = match.index + piece.length;
  }
  if (end < text.length) found.push({ kind: "plain", text: text.slice(end) });
  return found;
}

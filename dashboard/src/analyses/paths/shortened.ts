/** Pixels of a sign: those of Chinese, Japanese, Korean and emoji are about twice as wide as letters. */
function widthOf(sign: string): number {
  if ((sign.codePointAt(0) ?? 0) >= 0x1100) return 13;
  return /[A-Zmw@%]/.test(sign) ? 9 : 6.6;
}

/** The text with its middle left out where it is wider than `room` pixels: paths differ at their ends. */
export function shortened(text: string, room: number): string {
  const signs = Array.from(text);
  let left = room - signs.reduce((sum, sign) => sum + widthOf(sign), 0);
  if (left >= 0) return text;
  const [head, tail] = [
    signs.slice(0, Math.ceil(signs.length / 2)),
    signs.slice(Math.ceil(signs.length / 2)),
  ];
  left -= 13;
  while (left < 0 && head.length + tail.length > 3) {
    const gone = head.length > tail.length ? head.pop() : tail.shift();
    left += widthOf(gone ?? "");
  }
  return `${head.join("")}…${tail.join("")}`;
}

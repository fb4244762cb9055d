/** The mark of Tallystick: a stick split lengthwise, whose halves carry the same notches. public/favicon.svg is the same. */
export function Logo({ size }: { size: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden>
      <rect width="32" height="32" rx="8" fill="var(--brand)" />
      <path d="M4 10h24v5H4zM4 18h24v5H4z" fill="#fff" />
      <path d="M9 10v5M14 10v5M19 10v5M9 18v5M14 18v5M19 18v5" stroke="var(--brand)" strokeWidth="2" />
    </svg>
  );
}

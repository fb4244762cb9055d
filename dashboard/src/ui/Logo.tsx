/** The mark of Tallystick: a stick split lengthwise, whose halves carry the same notches. public/favicon.svg is the same. */
export function Logo({ size }: { size: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden>
      <rect width="32" height="32" rx="8" fill="var(--brand)" />
      <path d="M5 8h22v7H5zM5 17h22v7H5z" fill="#fff" />
      <path d="M9 11v10M14 11v10M19 11v10" stroke="var(--brand)" strokeWidth="2" />
    </svg>
  );
}

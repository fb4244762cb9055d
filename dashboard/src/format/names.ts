/** Names for codes that events have. */

let regions: Intl.DisplayNames | undefined;

/** `DE` → Germany; what is no such code stays as it is. */
export function countryName(code: string): string {
  if (!/^[A-Za-z]{2}$/.test(code)) return code;
  regions ??= new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });
  return regions.of(code.toUpperCase()) ?? code;
}

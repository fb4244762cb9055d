/** Browsers by what their User-Agent has; an earlier one's text is in that of a later one, too. */
const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
] as const;
const SYSTEMS = [
  ["Windows", "Windows"],
  ["Android", "Android"],
  ["iPhone", "iOS"],
  ["iPad", "iPadOS"],
  ["Macintosh", "macOS"],
  ["Linux", "Linux"],
] as const;

/** Such as "Firefox on Linux"; a User-Agent that is not a known browser's stays as it is. */
export function browserOf(agent: string): string {
  if (agent === "") return "Unknown program";
  const has = ([text]: readonly [string, string]) => agent.includes(text);
  const browser = BROWSERS.find(has)?.[1];
  const system = SYSTEMS.find(has)?.[1];
  if (browser === undefined) return agent;
  return system === undefined ? browser : `${browser} on ${system}`;
}

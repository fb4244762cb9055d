/** The address of a page: what stands in it is decoded exactly once. */

import { useSearch as useRawSearch } from "wouter/use-browser-location";

/** The texts of an address that change; null takes a parameter out. */
export type Params = Record<string, string | string[] | null>;

/**
 * The address's search as the browser has it, still encoded.
 *
 * wouter's own `useSearch` decodes it, and `URLSearchParams` would then decode it a second time: the path `/caf%C3%A9`
 * would be looked up as `/café`, and a statement with `LIKE '%caf%'` would be another one.
 */
export function useSearch(): string {
  return useRawSearch();
}

/** The address of `path` with these parameters changed; `params` itself is changed, too. */
export function address(path: string, params: URLSearchParams, change: Params): string {
  for (const [name, value] of Object.entries(change)) {
    params.delete(name);
    for (const each of Array.isArray(value) ? value : value === null ? [] : [value])
      params.append(name, each);
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

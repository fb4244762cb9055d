import { useSyncExternalStore } from "react";
import { stored } from "./storage";

/** The read key of this tab: in sessionStorage, never in a URL. */

const STORAGE_KEY = "tallystick.read-key";

export interface KeyState {
  key: string | null;
  /** How many requests were refused since the key was given, or since there is none. */
  refusals: number;
}

let state: KeyState = { key: kept(), refusals: 0 };
const listeners = new Set<() => void>();

function kept(): string | null {
  try {
    return stored(sessionStorage, "read-key");
  } catch {
    return null; // storage is switched off in this browser
  }
}

function become(next: KeyState): void {
  state = next;
  for (const listener of listeners) listener();
}

export function currentKey(): string | null {
  return state.key;
}

/** The server refused a request that was sent with `used`, for lack of a session or of a key that it takes. */
export function accessRefused(used: string | null): void {
  if (used !== state.key) return; // another key was given meanwhile
  become({ key: used, refusals: state.refusals + 1 });
}

export function giveKey(key: string): void {
  try {
    sessionStorage.setItem(STORAGE_KEY, key);
  } catch {
    // it is kept for this page alone
  }
  become({ key, refusals: 0 });
}

export function forgetKey(): void {
  try {
    sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // there was none
  }
  become({ key: null, refusals: 0 });
}

export function useKey(): KeyState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

import { useSyncExternalStore } from "react";
import { stored } from "./storage";

/** The read key of this tab: in sessionStorage, never in a URL. */

const STORAGE_KEY = "tallystick.read-key";

export interface KeyState {
  key: string | null;
  /** The server asks for a key and has none that it takes. */
  wanted: boolean;
  /** The key that was given last was not accepted. */
  refused: boolean;
}

let state: KeyState = { key: kept(), wanted: false, refused: false };
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

/** The server answered 401 to a request that was sent with `used`. */
export function keyRefused(used: string | null): void {
  if (used !== state.key) return; // another key was given meanwhile
  become({ key: used, wanted: true, refused: used !== null });
}

export function giveKey(key: string): void {
  try {
    sessionStorage.setItem(STORAGE_KEY, key);
  } catch {
    // it is kept for this page alone
  }
  become({ key, wanted: false, refused: false });
}

export function forgetKey(): void {
  try {
    sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // there was none
  }
  become({ key: null, wanted: true, refused: false });
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

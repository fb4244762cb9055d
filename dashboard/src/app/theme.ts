import { useSyncExternalStore } from "react";
import { stored } from "../api/storage";

/** The system's colours, or the ones chosen in this browser. */

export type Theme = "system" | "light" | "dark";

const STORAGE_KEY = "tallystick.theme";
const listeners = new Set<() => void>();
let theme: Theme = read();

function read(): Theme {
  try {
    const chosen = stored(localStorage, "theme");
    return chosen === "light" || chosen === "dark" ? chosen : "system";
  } catch {
    return "system";
  }
}

function apply(): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function applyTheme(): void {
  apply();
}

export function setTheme(next: Theme): void {
  theme = next;
  try {
    if (next === "system") localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, next);
  } catch {
    // it holds for this page alone
  }
  apply();
  for (const listener of listeners) listener();
}

export function useTheme(): Theme {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => theme,
  );
}

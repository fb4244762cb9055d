import { expect, test } from "vitest";
import { stored } from "./storage";

/** A Storage that holds `values`. */
function storageOf(values: Record<string, string>): Storage {
  const held = new Map(Object.entries(values));
  return {
    length: held.size,
    key: (index) => [...held.keys()][index] ?? null,
    clear: () => held.clear(),
    getItem: (name) => held.get(name) ?? null,
    setItem: (name, value) => void held.set(name, value),
    removeItem: (name) => void held.delete(name),
  };
}

test("a value under the old name is moved", () => {
  const storage = storageOf({ "runnel.theme": "dark" });
  expect(stored(storage, "theme")).toBe("dark");
  expect(storage.getItem("runnel.theme")).toBeNull();
  expect(storage.getItem("tallystick.theme")).toBe("dark");
});

test("a value under the new name wins", () => {
  expect(stored(storageOf({ "runnel.theme": "dark", "tallystick.theme": "light" }), "theme")).toBe("light");
});

import { describe, expect, it } from "vitest";
import {
  changedQuota,
  fieldsOf,
  isComplete,
  NEW_KEY,
  originsIn,
  purposeOf,
  quotaForm,
  quotaOf,
} from "./keyFields";

describe("the fields of a new key", () => {
  it("are those of its kind, whatever was typed for another", () => {
    const form = {
      ...NEW_KEY,
      name: " Shop ",
      sites: ["shop"],
      rights: ["sql" as const],
      origins: "https://a.example",
    };
    expect(fieldsOf(form)).toEqual({
      name: "Shop",
      kind: "write",
      sites: ["shop"],
      rights: [],
      origins: ["https://a.example"],
      events_per_second: null,
      bytes_per_second: null,
    });
    const limited = { ...form, eventsPerSecond: "50", bytesPerSecond: " 0 " };
    expect(fieldsOf(limited)).toMatchObject({ events_per_second: 50, bytes_per_second: 0 });
    expect(fieldsOf({ ...limited, kind: "read" })).toMatchObject({
      events_per_second: null,
      bytes_per_second: null,
    });
    expect(fieldsOf({ ...form, kind: "read" })).toMatchObject({ rights: ["sql"], origins: [] });
    expect(fieldsOf({ ...form, kind: "admin" })).toMatchObject({ sites: ["*"], rights: [], origins: [] });
    expect(fieldsOf({ ...form, every: true })).toMatchObject({ sites: ["*"] });
    const eraser = { ...form, kind: "read" as const, rights: ["erase" as const] };
    expect(fieldsOf(eraser).rights).toEqual([]);
    expect(fieldsOf({ ...eraser, every: true }).rights).toEqual(["erase"]);
  });

  it("are complete with a name and a site", () => {
    expect(isComplete(NEW_KEY)).toBe(false);
    expect(isComplete({ ...NEW_KEY, name: "a" })).toBe(false);
    expect(isComplete({ ...NEW_KEY, name: " ", sites: ["shop"] })).toBe(false);
    expect(isComplete({ ...NEW_KEY, name: "a", sites: ["shop"] })).toBe(true);
    expect(isComplete({ ...NEW_KEY, name: "a", every: true })).toBe(true);
    expect(isComplete({ ...NEW_KEY, name: "a", kind: "admin" })).toBe(true);
  });
});

it("finds each origin once, without the slash at its end", () => {
  expect(originsIn("")).toEqual([]);
  expect(originsIn(" https://a.example/, https://b.example\nhttps://a.example ")).toEqual([
    "https://a.example",
    "https://b.example",
  ]);
});

it("says what a key may do", () => {
  const key = { kind: "read" as const, sites: ["shop", "docs"], rights: [], origins: [] };
  expect(purposeOf(key)).toBe("Reads shop, docs");
  expect(purposeOf({ ...key, rights: ["export", "sql"] })).toBe(
    "Reads shop, docs; may also run SQL, export events",
  );
  expect(purposeOf({ ...key, kind: "write", sites: ["*"] })).toBe("Sends to every site");
  expect(purposeOf({ ...key, kind: "write", sites: ["a"], origins: ["https://a.example"] })).toBe(
    "Sends to a from https://a.example",
  );
  expect(purposeOf({ ...key, kind: "admin", sites: ["*"] })).toBe("Administers everything");
});

it("says what a key may send", () => {
  expect(quotaOf({ events_per_second: null, bytes_per_second: null })).toBe("");
  expect(quotaOf({ events_per_second: 1500, bytes_per_second: 0 })).toBe(
    "at most 1,500 events/s, any number of bytes/s",
  );
});

it("changes what a key may send", () => {
  const quota = { events_per_second: 1500, bytes_per_second: 0 };
  expect(changedQuota(quotaForm(quota))).toEqual(quota);
  const none = { events_per_second: null, bytes_per_second: null };
  expect(changedQuota(quotaForm(none))).toEqual(none);
  expect(changedQuota({ eventsPerSecond: "", bytesPerSecond: " 7 " })).toEqual({
    events_per_second: null,
    bytes_per_second: 7,
  });
});

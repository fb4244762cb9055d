import { describe, expect, it } from "vitest";
import { backoff, reader } from "./sse";

const STREAM =
  'retry: 2000\nevent: open\ndata: {"site_id":"shop"}\n\n: nothing new\n\nevent: event\ndata: {"name":"a\\nb"}\n\n' +
  "event: left_out\r\ndata: one\r\ndata: two\r\n\r\ndata:unnamed\n\nevent: unfinished\ndata: {";

const MESSAGES = [
  { event: "open", data: '{"site_id":"shop"}' },
  { event: "event", data: '{"name":"a\\nb"}' },
  { event: "left_out", data: "one\ntwo" },
  { event: "message", data: "unnamed" },
];

describe("a stream of messages", () => {
  it.each([1, 2, 3, 7, 1000])("is the same in pieces of %d characters", (size) => {
    const read = reader();
    const messages = [];
    for (let at = 0; at < STREAM.length; at += size) messages.push(...read(STREAM.slice(at, at + size)));
    expect(messages).toEqual(MESSAGES);
  });
});

it("waits longer each time, up to half a minute", () => {
  expect([0, 1, 2, 20].map((tries) => backoff(tries, 1))).toEqual([1_000, 2_000, 4_000, 30_000]);
  expect(backoff(0, 0)).toBe(500);
});

import { expect, it } from "vitest";
import { browserOf } from "./browser";

const WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)";

it("names the browser and its system", () => {
  expect(browserOf(`Mozilla/5.0 (X11; Linux x86_64) ${WEBKIT} Chrome/142.0.0.0 Safari/537.36`)).toBe(
    "Chrome on Linux",
  );
  expect(browserOf(`Mozilla/5.0 (Windows NT 10.0) ${WEBKIT} Chrome/142.0 Safari/537.36 Edg/142.0`)).toBe(
    "Edge on Windows",
  );
  expect(browserOf("Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0")).toBe(
    "Firefox on Android",
  );
  expect(browserOf("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1")).toBe(
    "Safari on iOS",
  );
  expect(browserOf("Firefox/144.0")).toBe("Firefox");
});

it("leaves other programs as they are", () => {
  expect(browserOf("curl/8.5.0")).toBe("curl/8.5.0");
  expect(browserOf("")).toBe("Unknown program");
});

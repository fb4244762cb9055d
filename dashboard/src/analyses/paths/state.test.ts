import { expect, it } from "vitest";
import { pathsParams, pathsQuery, readPaths } from "./state";

function paramsOf(text: string): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(pathsParams(readPaths(new URLSearchParams(text)))))
    if (value !== null) params.append(name, String(value));
  return params;
}

it("reads what it writes, and leaves out what is as usual", () => {
  for (const text of ["", "start=%2F", "of=event&end=signup&steps=3&merge=0&most=12"])
    expect(paramsOf(text).toString()).toBe(text);
  expect(paramsOf("steps=11&most=5&of=nothing").toString()).toBe("");
});

it("sends nothing while the start is not chosen", () => {
  expect(pathsQuery({}, readPaths(new URLSearchParams("start=")))).toBeNull();
  expect(pathsQuery({ site_id: "s" }, readPaths(new URLSearchParams("end=/x&steps=3")))).toEqual({
    kind: "paths",
    site_id: "s",
    by: "page",
    end: "/x",
    steps: 3,
    merge: true,
    top: 200,
  });
});

import { expect, it } from "vitest";
import { address } from "../../scope/address";
import { problemsOf } from "./problems";

const BROKEN: [string, string, string][] = [
  ["/", "filter=color:=:red", "“color:=:red”"],
  ["/", "filter=path:~:x", "“path:~:x”"],
  ["/", "filter=path:=", "“path:=”"],
  ["/", "filter=", "“”"],
  ["/", "range=fortnight", "“fortnight”"],
  ["/", "from=2026-02-30&to=2026-03-01", "“2026-02-30”"],
  ["/", "from=2026-02-01", "first and its last day"],
  ["/", "tz=Mars/Base", "“Mars/Base”"],
  ["/ui/explore", "metric=events&of=signup;plan:=:pro", "“plan:=:pro”"],
  ["/ui/explore", "by=colour", "“colour”"],
  ["/ui/funnels", "step=a&step=b;x&by=event_id", "“x”"],
  ["/ui/retention", "start=a&returning=b;nothing:set", "“nothing:set”"],
];

it.each(BROKEN)("says of %s?%s what is not understood", (path, search, part) => {
  const params = new URLSearchParams(search);
  const found = problemsOf(path, params);
  expect(found.some(({ says }) => says.includes(part))).toBe(true);
  // What the sentences offer leaves an address that is understood.
  const remedy = Object.assign({}, ...found.map((one) => one.remedy)) as Record<string, null>;
  const left = new URL(address(path, params, remedy), "http://host").searchParams;
  expect(problemsOf(path, left)).toEqual([]);
});

it.each([
  ["/", "filter=path:=:&filter=user_id:not_set&range=7d&tz=Europe/Berlin"],
  ["/ui/paths", "start=/a;b&of=event"],
  ["/ui/explore", "of=;properties.a:=:b&by=properties.x&from=2026-01-01&to=2026-01-02"],
])("says nothing of %s?%s", (path, search) => {
  expect(problemsOf(path, new URLSearchParams(search))).toEqual([]);
});

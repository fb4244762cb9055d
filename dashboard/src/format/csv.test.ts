import { expect, it } from "vitest";
import { csv } from "./csv";

it("quotes what needs it, and disarms formulas", () => {
  expect(
    csv(
      ["bucket", 'a "b"'],
      [
        ["x,y", 1.5],
        ["=1+1", null],
        ["-2", -2],
      ],
    ),
  ).toBe('bucket,"a ""b"""\r\n"x,y",1.5\r\n\'=1+1,\r\n\'-2,-2\r\n');
});

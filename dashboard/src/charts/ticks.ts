import { scaleLinear } from "@visx/scale";
import type { Unit } from "../format/number";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
const DAY = 86_400;

/** The vertical scale: from 0 to a round number above the largest, with about four steps of round numbers. */
export function axisOf(unit: Unit, values: readonly number[], height: number) {
  const least = Math.min(0, ...values);
  const most = Math.max(0, ...values);
  if (least === 0 && most === 0) {
    return { y: scaleLinear<number>({ domain: [0, 1], range: [height, 0] }), ticks: [0] };
  }
  if (unit === "seconds" && most >= 1) {
    const step = STEPS.find((one) => most / one <= 4) ?? Math.ceil(most / 4 / DAY) * DAY;
    const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
    const y = scaleLinear<number>({ domain: [0, ticks.at(-1) ?? most], range: [height, 0] });
    return { y, ticks };
  }
  const y = scaleLinear<number>({ domain: [least, most], range: [height, 0], nice: 4 });
  return { y, ticks: y.ticks(4) };
}

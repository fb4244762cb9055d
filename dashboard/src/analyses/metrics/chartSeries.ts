import type { Trend } from "./useTrend";
import type { Series } from "../../charts/TimeChart";
import { REST_COLOUR, seriesColour } from "../../charts/palette";

/** The groups as the chart takes them: each in a colour of its own, with its period before as a dashed line. */
export function chartSeries(
  trend: Pick<Trend, "groups" | "before">,
  hidden: ReadonlySet<string>,
): { shown: Series[]; legend: Series[] } {
  const legend = trend.groups.map((group, index) => ({
    id: group.id,
    label: group.label,
    colour: group.rest ? REST_COLOUR : seriesColour(index),
    values: group.values,
  }));
  const visible = legend.filter((one) => !hidden.has(one.id));
  const dashed = visible.flatMap((one): Series[] => {
    const before = trend.groups.find((group) => group.id === one.id)?.before;
    if (!before) return [];
    const colour = legend.length === 1 ? "var(--series-before)" : one.colour;
    return [{ ...one, id: `${one.id} before`, colour, values: before, dashed: true, buckets: trend.before }];
  });
  return { shown: [...dashed, ...visible], legend };
}

import type { Props, Series } from "./TimeChart";
import { exact, exactIn, minutes } from "../format/number";
import { bucketLabel } from "../format/time";
import "./Tip.css";

/** The numbers of the bucket that the pointer or the arrow keys are at. */
export function Tip({
  series,
  buckets,
  interval,
  zone,
  complete,
  unit = "number",
  at,
  left,
  width,
}: Props & { at: number; left: number; width: number }) {
  const bucket = buckets[at] ?? "";
  const right = left > width / 2;
  const rows =
    series.length > 2 ? [...series].sort((a, b) => (b.values[at] ?? 0) - (a.values[at] ?? 0)) : series;
  const text = (value: number) =>
    unit === "share" ? exactIn(unit, value) : unit === "seconds" ? minutes(value) : exact(value);
  // With several series their periods before have names too; one alone needs none.
  const before = (one: Series) => (series.length > 2 ? `${one.label}, ` : "");
  return (
    <div className={right ? "chart-tip left" : "chart-tip"} style={{ left }} aria-live="polite">
      <p className="chart-tip-title">
        {bucketLabel(bucket, interval, zone)}
        {complete?.[at] === false && (
          <span className="muted">{complete.indexOf(true, at) < 0 ? " so far" : " in part"}</span>
        )}
      </p>
      {rows.map((one) => (
        <p key={one.id} className="chart-tip-row">
          <span
            className="chart-key"
            style={{ background: one.dashed ? undefined : one.colour, borderColor: one.colour }}
          />
          <span className="chart-tip-label">
            {one.buckets?.[at] ? `${before(one)}${bucketLabel(one.buckets[at], interval, zone)}` : one.label}
          </span>
          <span className="number">{one.values[at] == null ? "–" : text(one.values[at])}</span>
        </p>
      ))}
    </div>
  );
}

import { curveMonotoneX } from "@visx/curve";
import { Area, LinePath } from "@visx/shape";
import { useId } from "react";
import type { Interval } from "../api/query";
import { ChartFrame, type Scale } from "./ChartFrame";
import { Tip } from "./Tip";
import { cutParts, type Part, points, wholePart } from "./parts";
import { anchorOf, stacked, tickIndexes } from "./stack";
import { axisOf } from "./ticks";
import { shortIn, type Unit } from "../format/number";
import { tick } from "../format/time";
import "./TimeChart.css";

export interface Series {
  id: string;
  label: string;
  colour: string;
  values: (number | null)[];
  /** The period before: a dashed line, never stacked. */
  dashed?: boolean;
  /** Each value's own bucket, where it is not that of the axis. */
  buckets?: string[];
}

export type ChartKind = "line" | "bar" | "area";

export interface Props {
  label: string;
  kind: ChartKind;
  /** Whether the series of bars and areas add up to something. */
  additive: boolean;
  buckets: string[];
  series: Series[];
  interval: Interval;
  zone: string;
  /** Whether each bucket is over and the range has the whole of it; absent: all are. */
  complete?: readonly boolean[] | undefined;
  height?: number;
  unit?: Unit;
}

/** Pixels that the number of a tick takes. */
const TICK = 16;

const MARGIN = { top: 12, right: 12, bottom: 28, left: 48 };

/** Numbers over time. The pointer or the arrow keys show the numbers of a bucket. */
export function TimeChart(props: Props) {
  return (
    <ChartFrame
      label={props.label}
      count={props.buckets.length}
      bands={props.kind === "bar"}
      height={props.height ?? 280}
      margin={MARGIN}
      plot={(scale) => <Plot {...props} {...scale} />}
      tip={(at, left, width) => <Tip {...props} at={at} left={left} width={width} />}
    />
  );
}

interface PlotProps extends Props, Scale {}

function Plot({
  kind,
  additive,
  buckets,
  series,
  interval,
  zone,
  complete,
  unit = "number",
  x,
  band,
  inner,
  shown,
}: PlotProps) {
  const current = series.filter((one) => !one.dashed);
  const stack = additive && kind !== "line" ? stacked(current.map((one) => one.values)) : null;
  const values = [
    ...series.flatMap((one) => one.values),
    ...(stack ?? []).flatMap((one) => one.map(([, top]) => top)),
  ];
  const numbers = values.filter((value) => value !== null);
  const { y, ticks: all } = axisOf(unit, numbers, inner.height);
  // Where they would touch each other, the ends alone.
  const ticks =
    inner.height < TICK * all.length ? all.filter((_, at) => at === 0 || at === all.length - 1) : all;
  const base = y(0);
  const dots = buckets.length === 1;
  // A cut bucket would look like a rise or a fall: it is drawn apart.
  const whole = wholePart(buckets.length, complete);
  return (
    <>
      {ticks.map((value) => (
        <g key={value} transform={`translate(0 ${y(value)})`}>
          <line x2={inner.width} className={value === 0 ? "chart-base" : "chart-grid"} />
          <text x={-10} dy="0.32em" textAnchor="end" className="chart-tick">
            {shortIn(unit, value)}
          </text>
        </g>
      ))}
      {tickIndexes(buckets.length, inner.width, 76).map((index) => {
        const text = tick(buckets[index] ?? "", interval, zone);
        return (
          <text
            key={index}
            x={x(index)}
            y={inner.height + 20}
            textAnchor={anchorOf(text, x(index), inner.width, MARGIN.right)}
            className="chart-tick"
          >
            {text}
          </text>
        );
      })}
      {shown !== null && kind !== "bar" && (
        <line x1={x(shown)} x2={x(shown)} y2={inner.height} className="chart-cursor" />
      )}
      {shown !== null && kind === "bar" && (
        <rect x={x(shown) - band / 2} width={band} height={inner.height} className="chart-band" />
      )}
      {kind === "bar"
        ? current.map((one, place) => (
            <Bars
              key={one.id}
              one={one}
              ends={stack?.[place]}
              {...{ x, y, band, base, whole }}
              place={place}
              of={current.length}
            />
          ))
        : current.map((one, place) => (
            <Filled
              key={one.id}
              one={one}
              ends={stack?.[place]}
              strong={kind === "area"}
              alone={current.length === 1}
              {...{ x, y, base, whole }}
            />
          ))}
      {series
        .filter((one) => kind !== "bar" || one.dashed)
        .map((one) => {
          const place = current.indexOf(one);
          const top = stack && place >= 0 ? (stack[place] ?? []).map(([, upper]) => upper) : one.values;
          return (
            <g key={one.id}>
              <LinePath
                data={points(top, one.dashed ? [0, buckets.length] : whole)}
                x={(point) => x(point.index)}
                y={(point) => y(point.value ?? 0)}
                defined={(point) => point.value !== null}
                curve={curveMonotoneX}
                stroke={one.colour}
                className={one.dashed ? "chart-line dashed" : "chart-line"}
              />
              {!one.dashed &&
                cutParts(buckets.length, whole).map((part) => (
                  <LinePath
                    key={part[0]}
                    data={points(top, part)}
                    x={(point) => x(point.index)}
                    y={(point) => y(point.value ?? 0)}
                    defined={(point) => point.value !== null}
                    stroke={one.colour}
                    className="chart-line running"
                  />
                ))}
              {(dots || shown !== null) &&
                top.map((value, index) =>
                  value !== null && (dots || index === shown) ? (
                    <circle
                      key={index}
                      cx={x(index)}
                      cy={y(value)}
                      r={one.dashed ? 3 : 4}
                      fill={one.colour}
                      className="chart-dot"
                    />
                  ) : null,
                )}
            </g>
          );
        })}
    </>
  );
}

interface ShapeProps {
  one: Series;
  ends: [number, number][] | undefined;
  x: (index: number) => number;
  y: (value: number) => number;
  base: number;
}

function Bars({
  one,
  ends,
  x,
  y,
  band,
  base,
  place,
  of,
  whole,
}: ShapeProps & { band: number; place: number; of: number; whole: Part }) {
  const room = Math.min(band * 0.72, 56);
  const width = ends ? room : room / of;
  return (
    <g fill={one.colour}>
      {one.values.map((value, index) => {
        const [from, to] = ends?.[index] ?? [0, value ?? 0];
        if (from === to) return null;
        const left = x(index) - room / 2 + (ends ? 0 : place * width);
        const top = Math.min(y(to), y(from));
        const height = Math.max(1, Math.abs((ends ? y(from) : base) - y(to)));
        return (
          <rect
            key={index}
            x={left}
            y={top}
            width={Math.max(1, width - (ends ? 0 : 1))}
            height={height}
            rx={ends ? 0 : 2}
            opacity={index >= whole[0] && index < whole[1] ? 1 : 0.5}
          />
        );
      })}
    </g>
  );
}

function Filled({
  one,
  ends,
  strong,
  alone,
  whole,
  x,
  y,
  base,
}: ShapeProps & { strong: boolean; alone: boolean; whole: Part }) {
  const id = useId();
  if (!strong && !alone) return null;
  const filled = points(one.values, whole).map((point) => ({ ...point, ends: ends?.[point.index] }));
  return (
    <>
      {!ends && (
        <defs>
          <linearGradient id={id} x1="0" x2="0" y1="0" y2="1">
            <stop offset="0" stopColor={one.colour} stopOpacity={strong ? 0.35 : 0.16} />
            <stop offset="1" stopColor={one.colour} stopOpacity={strong ? 0.08 : 0.01} />
          </linearGradient>
        </defs>
      )}
      <Area
        data={filled}
        x={(point) => x(point.index)}
        y0={(point) => (point.ends ? y(point.ends[0]) : base)}
        y1={(point) => (point.ends ? y(point.ends[1]) : y(point.value ?? 0))}
        defined={(point) => point.value !== null || point.ends !== undefined}
        curve={curveMonotoneX}
        fill={ends ? one.colour : `url(#${id})`}
        fillOpacity={ends ? 0.55 : 1}
      />
    </>
  );
}

/** Names of the series, above the chart; a click hides or shows one. */
export function Legend({
  series,
  hidden,
  onToggle,
}: {
  series: Series[];
  hidden?: ReadonlySet<string>;
  onToggle?: (id: string) => void;
}) {
  return (
    <ul className="legend" aria-label="Legend">
      {series.map((one) => {
        const key = (
          <span
            className={one.dashed ? "legend-key dashed" : "legend-key"}
            style={one.dashed ? { borderColor: one.colour } : { background: one.colour }}
          />
        );
        return (
          <li key={one.id}>
            {onToggle ? (
              <button type="button" aria-pressed={!hidden?.has(one.id)} onClick={() => onToggle(one.id)}>
                {key}
                <span className="legend-text">{one.label}</span>
              </button>
            ) : (
              <span className="legend-item">
                {key}
                <span className="legend-text">{one.label}</span>
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

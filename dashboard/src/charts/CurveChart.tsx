import { curveMonotoneX } from "@visx/curve";
import { scaleLinear } from "@visx/scale";
import { LinePath } from "@visx/shape";
import { ChartFrame, type Scale } from "./ChartFrame";
import { anchorOf, tickIndexes } from "./stack";

export interface Curve {
  id: string;
  label: string;
  colour: string;
  values: (number | null)[];
  /** Drawn thin, without an entry in the tip. */
  faint?: boolean;
}

interface Props {
  label: string;
  kind: "line" | "bar";
  /** What stands below each place, and what the tip calls it. */
  places: string[];
  curves: Curve[];
  format: (value: number) => string;
  /** As the tip writes it, where that differs. */
  exactly?: (value: number) => string;
  /** What the tip says of a place beside the curves' values. */
  note?: (index: number) => string;
  /** From this place on values may still change: drawn paler. */
  whole?: number;
  height?: number;
}

const MARGIN = { top: 12, right: 20, bottom: 28, left: 48 };

/** Numbers over numbered places, such as the n-th week. The pointer or the arrow keys show those of a place. */
export function CurveChart(props: Props) {
  return (
    <ChartFrame
      label={props.label}
      count={props.places.length}
      bands={props.kind === "bar"}
      height={props.height ?? 240}
      margin={MARGIN}
      plot={(scale) => <Plot {...props} {...scale} />}
      tip={(at, left, width) => <Tip {...props} at={at} left={left} width={width} />}
    />
  );
}

interface PlotProps extends Props, Scale {}

function Plot({ kind, places, curves, format, whole = places.length, x, band, inner, shown }: PlotProps) {
  const numbers = curves.flatMap((curve) => curve.values).filter((value) => value !== null);
  const y = scaleLinear<number>({
    domain: [0, Math.max(1e-9, ...numbers)],
    range: [inner.height, 0],
    nice: 4,
  });
  return (
    <>
      {y.ticks(4).map((value) => (
        <g key={value} transform={`translate(0 ${y(value)})`}>
          <line x2={inner.width} className={value === 0 ? "chart-base" : "chart-grid"} />
          <text x={-10} dy="0.32em" textAnchor="end" className="chart-tick">
            {format(value)}
          </text>
        </g>
      ))}
      {tickIndexes(places.length, inner.width, 64).map((index) => (
        <text
          key={index}
          x={x(index)}
          y={inner.height + 20}
          textAnchor={anchorOf(places[index] ?? "", x(index), inner.width, MARGIN.right)}
          className="chart-tick"
        >
          {places[index]}
        </text>
      ))}
      {shown !== null &&
        (kind === "bar" ? (
          <rect x={x(shown) - band / 2} width={band} height={inner.height} className="chart-band" />
        ) : (
          <line x1={x(shown)} x2={x(shown)} y2={inner.height} className="chart-cursor" />
        ))}
      {kind === "bar"
        ? curves.map((curve) => <Bars key={curve.id} {...{ curve, x, y, band, base: inner.height, whole }} />)
        : curves.map((curve) => (
            <g key={curve.id}>
              <LinePath
                data={curve.values.map((value, index) => ({ value, index }))}
                x={(point) => x(point.index)}
                y={(point) => y(point.value ?? 0)}
                defined={(point) => point.value !== null}
                curve={curveMonotoneX}
                stroke={curve.colour}
                className={curve.faint ? "chart-line faint" : "chart-line"}
              />
              {!curve.faint &&
                curve.values.map((value, index) =>
                  value !== null && (index === shown || curve.values.length < 14) ? (
                    <circle
                      key={index}
                      cx={x(index)}
                      cy={y(value)}
                      r={index === shown ? 5 : 3.5}
                      fill={curve.colour}
                      className="chart-dot"
                    />
                  ) : null,
                )}
            </g>
          ))}
    </>
  );
}

function Bars({
  curve,
  x,
  y,
  band,
  base,
  whole,
}: {
  curve: Curve;
  x: (index: number) => number;
  y: (value: number) => number;
  band: number;
  base: number;
  whole: number;
}) {
  const room = Math.min(band * 0.72, 56);
  return (
    <g fill={curve.colour}>
      {curve.values.map((value, index) =>
        value ? (
          <rect
            key={index}
            x={x(index) - room / 2}
            y={Math.min(y(value), base - 1)}
            width={room}
            height={Math.max(1, base - y(value))}
            rx={2}
            opacity={index < whole ? 1 : 0.5}
          />
        ) : null,
      )}
    </g>
  );
}

function Tip({
  places,
  curves,
  format,
  exactly = format,
  note,
  at,
  left,
  width,
}: Props & { at: number; left: number; width: number }) {
  return (
    <div
      className={left > width / 2 ? "chart-tip left" : "chart-tip"}
      style={{ left }}
      aria-live="polite"
      data-at={at}
    >
      <p className="chart-tip-title">{places[at]}</p>
      {curves
        .filter((curve) => !curve.faint)
        .map((curve) => {
          const value = curve.values[at];
          return (
            <p key={curve.id} className="chart-tip-row">
              <span className="chart-key" style={{ background: curve.colour, borderColor: curve.colour }} />
              <span className="chart-tip-label">{curve.label}</span>
              <span className="number">{value == null ? "–" : exactly(value)}</span>
            </p>
          );
        })}
      {note && <p className="chart-tip-note">{note(at)}</p>}
    </div>
  );
}

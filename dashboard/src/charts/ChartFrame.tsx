import { type KeyboardEvent, type PointerEvent, type ReactNode, useState } from "react";
import { useWidth } from "./useWidth";
import "./ChartFrame.css";

/** Where the places of a chart lie, within its margins. */
export interface Scale {
  x: (index: number) => number;
  band: number;
  inner: { width: number; height: number };
  /** The place that is read. */
  shown: number | null;
}

interface Props {
  label: string;
  /** How many places there are from left to right. */
  count: number;
  /** Whether each place has a width of its own, as bars do; else the first and the last are at the edges. */
  bands: boolean;
  height: number;
  margin: { top: number; right: number; bottom: number; left: number };
  plot: (scale: Scale) => ReactNode;
  /** What is said of the place that is read; `left` is where it lies in the frame's `width`. */
  tip: (at: number, left: number, width: number) => ReactNode;
}

/** A chart's frame: as wide as there is room, and the pointer or the arrow keys read single places of it. */
export function ChartFrame({ label, count, bands, height, margin, plot, tip }: Props) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const [at, setAt] = useState<number | null>(null);
  const inner = {
    width: Math.max(0, width - margin.left - margin.right),
    height: height - margin.top - margin.bottom,
  };
  const last = count - 1;
  const shown = at !== null && at <= last ? at : null;
  const band = inner.width / Math.max(1, count);
  const x = (index: number) =>
    bands || last === 0 ? (index + 0.5) * band : (index / Math.max(1, last)) * inner.width;
  const read = (index: number) => setAt(Math.min(Math.max(index, 0), last));

  const onPointerMove = (event: PointerEvent<SVGSVGElement>) => {
    const place = event.clientX - event.currentTarget.getBoundingClientRect().left - margin.left;
    read(bands ? Math.floor(place / band) : Math.round((place / Math.max(1, inner.width)) * last));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") setAt(null);
    const to = { ArrowLeft: (shown ?? last + 1) - 1, ArrowRight: (shown ?? -1) + 1, Home: 0, End: last }[
      event.key
    ];
    if (to === undefined) return;
    event.preventDefault();
    read(to);
  };

  return (
    <div
      className="chart"
      ref={frame}
      style={{ height }}
      tabIndex={0}
      role="group"
      aria-roledescription="chart"
      aria-label={`${label}. Arrow keys read single values.`}
      onKeyDown={onKeyDown}
      onBlur={() => setAt(null)}
    >
      {width > 0 && count > 0 && (
        <svg
          width={width}
          height={height}
          aria-hidden
          onPointerMove={onPointerMove}
          onPointerDown={onPointerMove}
          onPointerLeave={() => setAt(null)}
        >
          <rect width={width} height={height} fill="transparent" />
          <g transform={`translate(${margin.left} ${margin.top})`}>{plot({ x, band, inner, shown })}</g>
        </svg>
      )}
      {shown !== null && width > 0 && tip(shown, margin.left + x(shown), width)}
    </div>
  );
}

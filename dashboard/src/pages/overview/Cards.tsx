import { ArrowDown, ArrowRight, ArrowUp } from "lucide-react";
import { numberIn } from "../../api/rows";
import { change, type Change, exactIn, shortIn } from "../../format/number";
import { DEFAULT_FIGURE, type Figure, FIGURES } from "./figures";
import type { Totals } from "./totals";
import { useParams } from "../../scope/scope";
import "./Cards.css";

const ARROWS = { up: ArrowUp, down: ArrowDown, same: ArrowRight };

/** The numbers of the range; a click shows one of them over time. */
export function Cards({ totals, chosen, compare }: { totals: Totals; chosen: Figure; compare: boolean }) {
  const [, update] = useParams();
  return (
    <div className="cards" role="group" aria-label="Metric">
      {FIGURES.map((figure) => (
        <Card
          key={figure.id}
          figure={figure}
          totals={totals}
          compare={compare}
          pressed={figure.id === chosen.id}
          onChoose={() => update({ metric: figure.id === DEFAULT_FIGURE ? null : figure.id })}
        />
      ))}
    </div>
  );
}

function Card({
  figure,
  totals,
  compare,
  pressed,
  onChoose,
}: {
  figure: Figure;
  totals: Totals;
  compare: boolean;
  pressed: boolean;
  onChoose: () => void;
}) {
  const result = totals.of(figure);
  const { unit, metric } = figure;
  const row = result.answer?.rows[0];
  const value = numberIn(row, metric);
  const earlier = compare ? numberIn(row?.previous, metric) : null;
  return (
    <button
      type="button"
      className="stat"
      aria-pressed={pressed}
      aria-busy={result.loading || result.previous}
      data-metric={figure.id}
      onClick={onChoose}
    >
      <span className="stat-label">{figure.label}</span>
      {result.loading ? (
        <span className="stat-value skeleton-line" />
      ) : (
        <span
          className="stat-value number"
          title={value === null ? result.error?.message : exactIn(unit, value)}
          data-exact={value}
        >
          {value === null ? "–" : shortIn(unit, value)}
        </span>
      )}
      <span className="stat-change number">
        <Difference
          figure={figure}
          changed={change(value, earlier)}
          earlier={earlier}
          known={compare && row !== undefined && !result.previous}
        />
      </span>
    </button>
  );
}

/** How far it is from the period before: the arrow shows the direction, the colour whether that is good. */
function Difference({
  figure,
  changed,
  earlier,
  known,
}: {
  figure: Figure;
  changed: Change | null;
  earlier: number | null;
  known: boolean;
}) {
  if (changed === null || earlier === null) {
    return known ? (
      <span title="The period before has nothing to compare with">no comparison</span>
    ) : (
      "\u00a0"
    );
  }
  const Arrow = ARROWS[changed.direction];
  const good = changed.direction === (figure.better === "more" ? "up" : "down");
  const verdict = changed.direction === "same" ? "same" : good ? "better" : "worse";
  return (
    <span className={verdict} title={`${exactIn(figure.unit, earlier)} in the period before`}>
      <Arrow size={13} aria-hidden />
      {changed.text}
    </span>
  );
}

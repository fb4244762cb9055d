import { ArrowDown, ArrowRight, ArrowUp } from "lucide-react";
import { numberIn } from "../../api/hooks";
import type { Metric } from "../../api/types";
import { change, exact, short } from "../../format/number";
import { COUNTS } from "../../parts/metrics";
import { useParams } from "../../scope/scope";
import type { Totals } from "./totals";

const ARROWS = { up: ArrowUp, down: ArrowDown, same: ArrowRight };

/** The four numbers; a click shows one of them over time. */
export function Cards({ totals, metric, compare }: { totals: Totals; metric: Metric; compare: boolean }) {
  const [, update] = useParams();
  return (
    <div className="cards" role="group" aria-label="Metric">
      {COUNTS.map(({ kind, label }) => {
        const { now, before } = totals.of(kind);
        const value = numberIn(now.answer?.rows[0], kind);
        const earlier = compare && !before.previous ? numberIn(before.answer?.rows[0], kind) : null;
        const changed = change(value, earlier);
        const Arrow = changed && ARROWS[changed.direction];
        return (
          <button
            key={kind}
            type="button"
            className="stat"
            aria-pressed={kind === metric.kind}
            aria-busy={now.loading || now.previous}
            data-metric={kind}
            onClick={() => update({ metric: kind === "events" ? null : kind })}
          >
            <span className="stat-label">{label}</span>
            {now.loading ? (
              <span className="stat-value skeleton-line" />
            ) : (
              <span
                className="stat-value number"
                title={value === null ? undefined : exact(value)}
                data-exact={value}
              >
                {value === null ? "–" : short(value)}
              </span>
            )}
            <span className={`stat-change number ${changed?.direction ?? ""}`}>
              {changed && Arrow ? (
                <span title={`${exact(earlier ?? 0)} in the period before`}>
                  <Arrow size={13} aria-hidden />
                  {changed.text}
                </span>
              ) : compare && !now.loading && !before.loading && !before.previous ? (
                <span title="The period before has no events">no comparison</span>
              ) : (
                "\u00a0"
              )}
            </span>
          </button>
        );
      })}
    </div>
  );
}

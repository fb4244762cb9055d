import type { ReactNode } from "react";
import { REFRESH, useAnswer } from "../../api/query";
import { numberIn, textIn } from "../../api/rows";
import type { MetricsQuery, MetricsRow, SessionsQuery } from "../../api/types";
import { BarList, type BarRow } from "../../components/display/BarList";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { countedBy, filterOf, type Tab } from "./panels";
import { sameFilter } from "../../scope/filters";
import { filterParams, useParams, type View } from "../../scope/scope";
import "./Breakdown.css";

export const ROWS = 8;

export type Counted = "events" | "users" | "sessions";

const UNITS: Record<Counted, string> = { events: "Events", users: "Users", sessions: "Sessions" };

/**
 * A field's largest values; a click on one filters the page by it, another click takes that back.
 *
 * @param whole how many there are of what is counted, of all values together; null while that is not known.
 * @param head what stands on the left above the values.
 */
export function Breakdown({
  view,
  tab,
  field,
  counted,
  whole: wholeOfPage,
  head,
}: {
  view: View;
  tab: Tab;
  field: string;
  counted: Counted;
  whole: number | null;
  head: ReactNode;
}) {
  const [, update] = useParams();
  const result = useAnswer(view.ready ? queryOf(view, tab, field, counted) : null, {
    refresh: view.current ? REFRESH : false,
  });
  const views = useAnswer(view.ready && tab.views ? totalOf(view, tab, counted) : null, {
    refresh: view.current ? REFRESH : false,
  });
  const total = views.answer?.rows[0];
  const whole = tab.views ? (total ? numberIn(total, counted) : null) : wholeOfPage;
  const rows = rowsOf(result.answer?.rows ?? [], tab, field, counted, whole);
  const pressed = (value: string | null) => {
    const filter = filterOf(tab, field, value);
    return view.filters.some((one) => sameFilter(one, filter));
  };
  const choose = (value: string | null) => {
    const filter = filterOf(tab, field, value);
    const without = view.filters.filter((one) => !sameFilter(one, filter));
    update(filterParams(without.length < view.filters.length ? without : [...view.filters, filter]));
  };
  return (
    <div className="breakdown" data-field={field} aria-busy={result.previous}>
      <div className="breakdown-head">
        <span className="breakdown-by">{head}</span>
        <span className="breakdown-unit">{UNITS[counted]}</span>
      </div>
      {result.loading ? (
        <Skeleton lines={ROWS} height={32} />
      ) : result.error && !result.answer ? (
        <ErrorNote error={result.error} retry={result.retry} />
      ) : rows.length === 0 ? (
        <EmptyState title="Nothing here">
          {counted === "sessions" && <p>Sessions are made of events with a session_id or a user_id.</p>}
        </EmptyState>
      ) : (
        <BarList
          rows={rows}
          unit={UNITS[counted].toLowerCase()}
          whole={whole}
          chosen={pressed}
          onChoose={choose}
        />
      )}
    </div>
  );
}

/** The largest alone: what all others are follows from the whole, and to count them would be ten times the work. */
function queryOf(view: View, tab: Tab, field: string, counted: Counted): MetricsQuery | SessionsQuery {
  const largest = { breakdown: [field], top: ROWS, ...scopeOf(view, tab) };
  return counted === "sessions"
    ? { kind: "sessions", metrics: ["sessions"], ...largest }
    : { kind: "metrics", metrics: [{ kind: counted }], ...largest };
}

/** All that a tab counts, of all values together. */
function totalOf(view: View, tab: Tab, counted: Counted): MetricsQuery {
  const kind = counted === "users" ? "users" : "events";
  return { kind: "metrics", metrics: [{ kind }], ...scopeOf(view, tab) };
}

function scopeOf(view: View, tab: Tab) {
  const filter = countedBy(tab, view.scope.filter ?? undefined);
  return { ...view.scope, ...(filter ? { filter } : {}) };
}

function rowsOf(
  answered: MetricsRow[],
  tab: Tab,
  field: string,
  counted: Counted,
  whole: number | null,
): BarRow[] {
  const rows = answered.map((row): BarRow => {
    const value = textIn(row, field);
    const label = value === null ? tab.none : tab.name?.(value);
    return { value, number: numberIn(row, counted) ?? 0, ...(label === undefined ? {} : { label }) };
  });
  const rest = (whole ?? 0) - rows.reduce((sum, row) => sum + row.number, 0);
  // A user may be in several groups: what is left of them says nothing.
  return rows.length === ROWS && counted !== "users" && rest > 0
    ? [...rows, { value: undefined, number: rest }]
    : rows;
}

import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { metricLabel, numberIn, REFRESH, useAnswer } from "../../api/hooks";
import type { Metric, MetricsRow } from "../../api/types";
import { BarList, type BarRow } from "../../parts/BarList";
import { useKeys } from "../../parts/fields";
import { isAdditive, metricName } from "../../parts/metrics";
import { short } from "../../format/number";
import { fieldLabel, filterFor, PROPERTY, sameFilter } from "../../scope/filters";
import { filterParams, useParams, type View } from "../../scope/scope";
import { Card, ErrorNote, Nothing, Skeleton } from "../../ui/basics";
import { Picker } from "../../ui/Picker";
import { Popover } from "../../ui/Popover";

const ROWS = 8;

/** A field's largest values; a click on one filters the page by it, another click takes that back. */
export function Breakdown({
  view,
  title,
  field,
  metric: wanted,
  actions,
}: {
  view: View;
  title: ReactNode;
  field: string;
  metric: Metric;
  actions?: ReactNode;
}) {
  const [, update] = useParams();
  // What each user does on average says nothing about a value; how often it occurs does.
  const metric: Metric = wanted.kind === "events_per_user" ? { kind: "events" } : wanted;
  const asked = useAnswer(
    view.ready && field !== ""
      ? { kind: "metrics", metrics: [metric], breakdown: [field], top: ROWS, other: true, ...view.scope }
      : null,
    { refresh: view.current ? REFRESH : false },
  );
  const label = metricLabel(metric);
  const rows: BarRow[] = (asked.answer?.rows ?? []).map((row) => ({
    value: row["other"] === true ? undefined : toText(row[field]),
    number: numberIn(row, label) ?? 0,
  }));
  const whole = isAdditive(metric) ? rows.reduce((sum, row) => sum + row.number, 0) : null;
  const choose = (value: string | null) => {
    const filter = filterFor(field, value);
    const without = view.filters.filter((one) => !sameFilter(one, filter));
    update(filterParams(without.length < view.filters.length ? without : [...view.filters, filter]));
  };
  return (
    <Card title={title} actions={actions ?? <span className="card-unit">{metricName(metric)}</span>}>
      <div className="breakdown" data-field={field} aria-busy={asked.previous}>
        {asked.loading && field !== "" ? (
          <Skeleton lines={6} height={28} />
        ) : asked.error && !asked.answer ? (
          <ErrorNote error={asked.error} retry={asked.retry} />
        ) : rows.length === 0 ? (
          <Nothing title="Nothing here" />
        ) : (
          <BarList
            rows={rows}
            unit={metricName(metric).toLowerCase()}
            whole={whole}
            chosen={(value) => view.filters.some((one) => sameFilter(one, filterFor(field, value)))}
            onChoose={choose}
          />
        )}
      </div>
    </Card>
  );
}

function toText(value: MetricsRow[string] | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

/** The same for a property of the reader's choice; the most frequent one to begin with. */
export function PropertyBreakdown({ view, metric }: { view: View; metric: Metric }) {
  const [params, update] = useParams();
  const { answer, loading } = useKeys(view);
  const keys = answer?.rows ?? [];
  const key = params.get("property") ?? keys[0]?.key;
  if (key === undefined) {
    return (
      <Card title="Properties">
        {loading ? <Skeleton lines={6} height={28} /> : <Nothing title="No properties" />}
      </Card>
    );
  }
  return (
    <Breakdown
      view={view}
      title={
        <Popover
          title="Choose a property"
          buttonClass="title-button"
          label={`Property ${fieldLabel(PROPERTY + key)}, choose another`}
          button={
            <>
              <span className="muted">Property</span> <span className="button-text">{key}</span>{" "}
              <ChevronDown size={15} aria-hidden className="chevron" />
            </>
          }
        >
          {(close) => (
            <Picker
              label="Search properties"
              value={key}
              choices={keys.map((row) => ({ value: row.key, label: row.key, note: short(row.events) }))}
              onChoose={(property) => {
                update({ property });
                close();
              }}
            />
          )}
        </Popover>
      }
      field={PROPERTY + key}
      metric={metric}
    />
  );
}

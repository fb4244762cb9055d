import { FilterBar } from "../../parts/FilterBar";
import { Fresh, PageHead } from "../../parts/PageHead";
import { IntervalPicker, RangePicker, ZonePicker } from "../../parts/RangePicker";
import { Site } from "../../parts/Site";
import { useParams, useView } from "../../scope/scope";
import { Breakdown, PropertyBreakdown } from "./Breakdown";
import { Cards } from "./Cards";
import { parseMetric } from "../../parts/metrics";
import { MainChart } from "./MainChart";
import { useTotals } from "./totals";

export default function Overview() {
  const view = useView();
  const [params] = useParams();
  const totals = useTotals(view);
  const asked = parseMetric(params.get("metric"));
  const metric = asked.property === undefined ? asked : { kind: "events" as const };
  return (
    <>
      <PageHead title="Overview" view={view} note={<Fresh asked={totals.counts} zone={view.zone} />}>
        <ZonePicker view={view} />
        <RangePicker view={view} />
      </PageHead>
      <Site>
        <FilterBar view={view} />
        <section className="card main-card" aria-label="Numbers over time">
          <Cards totals={totals} metric={metric} compare={view.previous !== null} />
          <MainChart view={view} metric={metric} actions={<IntervalPicker view={view} />} />
        </section>
        <div className="panels">
          <Breakdown view={view} title="Events" field="name" metric={metric} />
          <Breakdown view={view} title="Pages" field="path" metric={metric} />
          <Breakdown view={view} title="Sources" field="source" metric={metric} />
          <PropertyBreakdown view={view} metric={metric} />
        </div>
      </Site>
    </>
  );
}

import { numberIn } from "../../api/rows";
import { FilterBar } from "../../components/page/FilterBar";
import { Fresh, PageHead } from "../../components/page/PageHead";
import { IntervalPicker, RangePicker, ZonePicker } from "../../components/page/RangePicker";
import { FirstPage } from "../../components/page/Site";
import { Cards } from "./Cards";
import { MainChart } from "./MainChart";
import { EventsPanel, Panel } from "./Panel";
import { readFigure } from "./figures";
import { PANELS } from "./panels";
import { useTotals } from "./totals";
import { useParams, useView } from "../../scope/scope";
import "./Overview.css";

export default function Overview() {
  const view = useView();
  const [params] = useParams();
  const totals = useTotals(view);
  const figure = readFigure(params.get("metric"));
  const counted = figure.id === "users" ? ("users" as const) : ("events" as const);
  const { events, sessions } = totals;
  const whole = (of: typeof events, metric: string) =>
    of.previous ? null : numberIn(of.answer?.rows[0], metric);
  const wholes = {
    events: whole(events, "events"),
    users: whole(events, "users"),
    sessions: whole(sessions, "sessions"),
  };
  return (
    <>
      <PageHead
        title="Overview"
        view={view}
        note={<Fresh result={events} zone={view.zone} beside={[sessions]} />}
      >
        <ZonePicker view={view} />
        <RangePicker view={view} />
      </PageHead>
      <FirstPage>
        <FilterBar view={view} />
        <section className="card main-card" aria-label="Numbers over time">
          <Cards totals={totals} chosen={figure} compare={view.compared} />
          <MainChart view={view} figure={figure} actions={<IntervalPicker view={view} />} />
        </section>
        <div className="panels">
          {PANELS.map((panel) => (
            <Panel key={panel.id} panel={panel} view={view} counted={counted} wholes={wholes} />
          ))}
          <EventsPanel view={view} counted={counted} wholes={wholes} />
        </div>
      </FirstPage>
    </>
  );
}

import { useQuery } from "@tanstack/react-query";
import { ChevronDown } from "lucide-react";
import { type ReactNode, useId } from "react";
import { fetchEnrichment } from "../../api/pipeline";
import { Picker } from "../../components/controls/Picker";
import { Select } from "../../components/controls/Select";
import { Tabs } from "../../components/controls/Tabs";
import { EmptyState } from "../../components/display/EmptyState";
import { Skeleton } from "../../components/display/Skeleton";
import { Popover } from "../../components/overlays/Popover";
import { useKeys } from "../../components/page/fields";
import { short } from "../../format/number";
import { Breakdown, type Counted } from "./Breakdown";
import { absence, fieldOf, type Panel as Shape, type Tab } from "./panels";
import { PROPERTY } from "../../scope/filters";
import { useParams, type View } from "../../scope/scope";
import "./Panel.css";

/** How many there are of what a panel counts, over all of its values. */
export type Wholes = Record<Counted, number | null>;

interface Props {
  view: View;
  /** What tabs of events count. */
  counted: "events" | "users";
  wholes: Wholes;
}

/** A panel of breakdowns; the tab that is shown is in the address, and only it sends a query. */
export function Panel({ panel, view, counted, wholes }: Props & { panel: Shape }) {
  const [params] = useParams();
  const { answer, loading } = useKeys(view);
  const enrichment = useQuery({
    queryKey: ["enrichment"],
    queryFn: ({ signal }) => fetchEnrichment(signal),
    staleTime: Infinity,
  });
  const chosen = params.get(panel.id);
  const tab = panel.tabs.find(({ id }) => id === chosen) ?? panel.tabs[0];
  if (!tab) throw new Error(`the panel ${panel.id} has no tab`);
  const what = tab.of === "sessions" ? "sessions" : counted;
  const field = fieldOf(tab, new Set((answer?.rows ?? []).map(({ key }) => key)));
  const group = panel.tabs.filter((one) => one.group !== undefined && one.group === tab.group);
  const head =
    group.length > 0 ? <GroupSelect panel={panel} tab={tab} tabs={group} /> : (tab.noun ?? tab.label);
  return (
    <Frame panel={panel.id} title={panel.title} tabs={panel.tabs} tab={tab}>
      {field === null && loading ? (
        <Skeleton lines={8} height={32} />
      ) : field === null ? (
        <>
          {group.length > 0 && <div className="breakdown-head">{head}</div>}
          <EmptyState title="Not known">
            <p>{absence(tab, enrichment.data)}</p>
          </EmptyState>
        </>
      ) : (
        <Breakdown view={view} tab={tab} field={field} counted={what} whole={wholes[what]} head={head} />
      )}
    </Frame>
  );
}

function GroupSelect({ panel, tab, tabs }: { panel: Shape; tab: Tab; tabs: readonly Tab[] }) {
  const [, update] = useParams();
  return (
    <Select
      label="Campaign tag"
      value={tab.id}
      options={tabs.map(({ id, label }) => ({ value: id, label }))}
      onChange={(id) => update({ [panel.id]: id })}
    />
  );
}

/** A card with a title and tabs; the tabs of a group are one. */
function Frame({
  panel,
  title,
  tabs,
  tab,
  children,
}: {
  panel: string;
  title: string;
  tabs: readonly Tab[];
  tab: Tab;
  children: ReactNode;
}) {
  const [, update] = useParams();
  const id = useId();
  const shown = tabs.filter(
    (one, index) => one.group === undefined || tabs.findIndex((other) => other.group === one.group) === index,
  );
  const at = shown.find((one) => one === tab || (one.group !== undefined && one.group === tab.group)) ?? tab;
  const alone = shown.length === 1;
  return (
    <section className="card panel" aria-labelledby={`${id}-title`} data-panel={panel}>
      <header className="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {!alone && (
          <Tabs
            label={title}
            value={at.id}
            panel={id}
            options={shown.map((one) => ({ value: one.id, label: one.group ?? one.label }))}
            onChange={(value) => update({ [panel]: value === tabs[0]?.id ? null : value })}
          />
        )}
      </header>
      <div id={id} {...(alone ? {} : { role: "tabpanel", "aria-label": at.group ?? at.label })}>
        {children}
      </div>
    </section>
  );
}

const NAMES: Tab = { id: "names", label: "Names", of: "events", fields: ["name"] };
const PROPERTIES: Tab = { id: "properties", label: "Properties", of: "events", fields: [] };

/** Event names, or the values of a property of the reader's choice; the most frequent one to begin with. */
export function EventsPanel({ view, counted, wholes }: Props) {
  const [params, update] = useParams();
  const { answer, loading } = useKeys(view);
  const keys = answer?.rows ?? [];
  const tab = params.get("events") === PROPERTIES.id ? PROPERTIES : NAMES;
  const key = params.get("property") ?? keys[0]?.key;
  const common = { view, tab, counted, whole: wholes[counted] };
  return (
    <Frame panel="events" title="Events" tabs={[NAMES, PROPERTIES]} tab={tab}>
      {tab === NAMES ? (
        <Breakdown {...common} field="name" head="Event" />
      ) : key === undefined ? (
        loading ? (
          <Skeleton lines={8} height={32} />
        ) : (
          <EmptyState title="No properties" />
        )
      ) : (
        <Breakdown
          {...common}
          field={PROPERTY + key}
          head={
            <Popover
              title="Choose a property"
              buttonClass="title-button"
              label={`Property ${key}, choose another`}
              button={
                <>
                  <span className="button-text">{key}</span>
                  <ChevronDown size={14} aria-hidden className="chevron" />
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
        />
      )}
    </Frame>
  );
}

import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import type { QueryState } from "../../api/query";
import { useSites } from "../../api/sites";
import { Button } from "../controls/Button";
import { Picker } from "../controls/Picker";
import { Select } from "../controls/Select";
import { Popover } from "../overlays/Popover";
import { duration } from "../../format/number";
import { clock } from "../../format/time";
import { useParams, type View } from "../../scope/scope";
import { eventsFrom, removedText } from "./EventsFrom";
import "./PageHead.css";

/** A page's title with the site picker and what else the page has to choose. */
export function PageHead({
  title,
  view,
  note,
  children,
}: {
  title: string;
  view: View;
  note?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="page-head">
      <div className="page-title">
        <h1>{title}</h1>
        {note}
      </div>
      <div className="page-controls">
        <SitePicker view={view} />
        {children}
      </div>
    </header>
  );
}

/** Most sites in a list without a search. */
const LISTED = 200;

export function SitePicker({ view }: { view: View }) {
  const { names, every } = useSites();
  const [, update] = useParams();
  if (!every && names.length < 2) return null;
  const known = view.site === null || names.includes(view.site) ? names : [view.site, ...names];
  const options = [
    ...known.map((name) => ({ value: `=${name}`, label: name === "" ? "(no name)" : name })),
    ...(every ? [{ value: "*", label: "All sites" }] : []),
  ];
  const chosen = view.site === null ? "*" : `=${view.site}`;
  const choose = (value: string) => update({ site: value === "*" ? "*" : value.slice(1) });
  if (options.length <= LISTED)
    return <Select label="Site" value={chosen} options={options} onChange={choose} />;
  const name = options.find(({ value }) => value === chosen)?.label ?? "";
  return (
    <Popover
      title="Site"
      label={`Site: ${name}`}
      align="end"
      button={
        <>
          <span className="button-text">{name}</span>
          <ChevronDown size={14} aria-hidden className="chevron" />
        </>
      }
    >
      {(close) => (
        <Picker
          label="Search sites"
          value={chosen}
          choices={every ? [...options.slice(-1), ...options.slice(0, -1)] : options}
          onChoose={(value) => {
            choose(value);
            close();
          }}
        />
      )}
    </Popover>
  );
}

/** Seconds of queue age from which answers are called late. */
const LATE = 10;

/** How current the page's numbers are: fresh, behind the queue, or left over because the last update failed. */
export function Fresh({
  result,
  zone,
  beside = [],
}: {
  result: QueryState<unknown>;
  zone: string;
  /** Other answers of the page, of which some may miss events that this one has as kept rollups. */
  beside?: readonly QueryState<unknown>[];
}) {
  const { answer, error, updatedAt, retry } = result;
  if (!answer) return null;
  if (error) {
    return (
      <p className="fresh fresh-late" role="status">
        <span className="fresh-dot" aria-hidden />
        From {clock(updatedAt, zone)}; the last update failed: {error.message}
        <Button kind="quiet" onClick={retry}>
          Try again
        </Button>
      </p>
    );
  }
  const lag = answer.freshness.queue_lag_seconds;
  if (lag != null && lag > LATE) {
    return (
      <p className="fresh fresh-late" role="status">
        <span className="fresh-dot" aria-hidden />
        {duration(lag)} behind: events wait in the queue
      </p>
    );
  }
  const from = eventsFrom([answer, ...beside.map((one) => one.answer)]);
  return (
    <p className="fresh" title={`Newest events stored at ${answer.freshness.loaded_at ?? "–"}`}>
      <span className="fresh-dot" aria-hidden />
      Up to date at {clock(updatedAt, zone)}
      {from !== null && `; ${removedText(from)}`}
    </p>
  );
}

import { BARS, groupColour, stepName } from "./FunnelView";
import { type FunnelGroup, funnelGroups, type FunnelStep, shareText } from "./funnel";
import type { FunnelOrder } from "../../api/query";
import type { FunnelRow } from "../../api/types";
import { duration, exact } from "../../format/number";
import "./FunnelTable.css";

interface Props {
  rows: readonly FunnelRow[];
  steps: readonly string[];
  order: FunnelOrder;
  /** The label of the field that the rows are grouped by. */
  breakdown?: { field: string; label: string } | undefined;
}

const time = (seconds: number | null) => (seconds === null ? "–" : duration(seconds));

/** The numbers: a row for each step, or with groups a row for each of them. */
export function FunnelTable({ rows, steps, order, breakdown }: Props) {
  const groups = funnelGroups(rows, breakdown?.field);
  const names = steps.map((_, index) => stepName(order, steps, index));
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label="Numbers of the funnel">
      {breakdown === undefined ? (
        <StepsTable names={names} steps={groups[0]?.steps ?? []} />
      ) : (
        <GroupsTable names={names} groups={groups} label={breakdown.label} />
      )}
    </div>
  );
}

function StepsTable({ names, steps }: { names: string[]; steps: FunnelStep[] }) {
  return (
    <table className="table wide">
      <thead>
        <tr>
          <th scope="col" className="sticky">
            Step
          </th>
          {["Users", "Of the first", "Of the one before", "Dropped", "Median time", "90% within"].map(
            (title) => (
              <th key={title} scope="col" className="right">
                {title}
              </th>
            ),
          )}
        </tr>
      </thead>
      <tbody>
        {steps.map((step, index) => (
          <tr key={index}>
            <th scope="row" className="sticky" title={names[index]}>
              {index + 1}. {names[index]}
            </th>
            <td className="right">{exact(step.users)}</td>
            <td className="right">{shareText(step.fromFirst)}</td>
            <td className="right">{index === 0 ? "–" : shareText(step.fromPrevious)}</td>
            <td className="right">{index === 0 ? "–" : exact(step.dropped)}</td>
            <td className="right">{time(step.median)}</td>
            <td className="right">{time(step.p90)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function GroupsTable({ names, groups, label }: { names: string[]; groups: FunnelGroup[]; label: string }) {
  return (
    <table className="table wide funnel-groups">
      <thead>
        <tr>
          <th scope="col" className="sticky">
            {label}
          </th>
          {names.map((name, index) => (
            <th key={index} scope="col" className="right" title={name}>
              {index + 1}. {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {groups.map((group, place) => (
          <tr key={group.id} data-group={group.id}>
            <th scope="row" className="sticky" title={group.label}>
              <span
                className="swatch"
                style={{ background: place < BARS ? groupColour(group, place) : "none" }}
                aria-hidden
              />
              {group.label}
            </th>
            {group.steps.map((step, index) => (
              <td key={index} className="right" data-users={step.users}>
                <strong>{exact(step.users)}</strong>
                <span className="cell-note">
                  {index === 0
                    ? "100%"
                    : `${shareText(step.fromFirst)}${step.median === null ? "" : `, median ${time(step.median)}`}`}
                </span>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

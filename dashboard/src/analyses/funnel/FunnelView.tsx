import type { CSSProperties } from "react";
import { type FunnelGroup, funnelGroups, type FunnelStep, shareText, wholeFunnel } from "./funnel";
import type { FunnelOrder } from "../../api/query";
import type { FunnelRow } from "../../api/types";
import { REST_COLOUR, seriesColour } from "../../charts/palette";
import { duration, exact, short } from "../../format/number";
import "./FunnelView.css";

export type Outcome = "reached" | "dropped";

interface Props {
  rows: readonly FunnelRow[];
  /** What the steps are called. */
  steps: readonly string[];
  order: FunnelOrder;
  /** The field that the rows are grouped by. */
  breakdown?: string | undefined;
  /** Show who reached a step (from 1), or dropped before it. */
  onUsers?: ((step: number, outcome: Outcome) => void) | undefined;
}

/** Groups whose bars fit beside each other; the table has them all. */
export const BARS = 6;

const AXIS = ["100%", "75%", "50%", "25%", "0%"];

export function groupColour(group: FunnelGroup, index: number): string {
  return group.rest ? REST_COLOUR : seriesColour(index);
}

/** What a step is called in the chart: with any order a row says how many of the steps were done, not which. */
export function stepName(order: FunnelOrder, steps: readonly string[], index: number): string {
  if (order !== "any") return steps[index] ?? "";
  return index === 0 ? "Any one step" : index + 1 === steps.length ? "All steps" : `Any ${index + 1} steps`;
}

/** The steps beside each other, on a phone below each other: who did each, who dropped before it, how long it took. */
export function FunnelView({ rows, steps, order, breakdown, onUsers }: Props) {
  const groups = funnelGroups(rows, breakdown);
  const whole = wholeFunnel(groups);
  const drawn = groups.slice(0, BARS);
  return (
    <div className="funnel">
      {breakdown !== undefined && (
        <ul className="legend funnel-legend" aria-label="Legend">
          {drawn.map((group, index) => (
            <li key={group.id} className="legend-item">
              <span className="swatch" style={{ background: groupColour(group, index), margin: 0 }} />
              <span className="legend-text">{group.label}</span>
            </li>
          ))}
          {groups.length > BARS && <li className="legend-item">{groups.length - BARS} more in the table</li>}
        </ul>
      )}
      <div className="funnel-scroll" tabIndex={0} role="group" aria-label="Steps of the funnel">
        <div className="funnel-axis" aria-hidden>
          {AXIS.map((part) => (
            <span key={part}>{part}</span>
          ))}
        </div>
        <ol className="funnel-steps" style={{ "--steps": whole.length } as CSSProperties}>
          {whole.map((step, index) => (
            <li key={index} className="funnel-step" data-step={index + 1}>
              <div className="funnel-bars" aria-hidden>
                {drawn.map((group, place) => (
                  <Bar
                    key={group.id}
                    group={group}
                    index={index}
                    colour={breakdown === undefined ? "var(--funnel)" : groupColour(group, place)}
                    // The list is not of a group; with the keyboard the note's button opens it.
                    onDropped={
                      breakdown === undefined ? onUsers && (() => onUsers(index + 1, "dropped")) : undefined
                    }
                  />
                ))}
              </div>
              <StepNote
                name={stepName(order, steps, index)}
                step={step}
                index={index}
                next={whole[index + 1]}
                onUsers={onUsers}
              />
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}

function Bar({
  group,
  index,
  colour,
  onDropped,
}: {
  group: FunnelGroup;
  index: number;
  colour: string;
  onDropped: (() => void) | undefined;
}) {
  const step = group.steps[index];
  if (!step) return null;
  const kept = step.fromFirst ?? 0;
  const before = group.steps[Math.max(0, index - 1)]?.fromFirst ?? 0;
  const title = `${group.label}: ${exact(step.users)} users, ${shareText(step.fromFirst)} of the first step`;
  const style = { "--kept": kept, "--lost": before - kept, "--colour": colour } as CSSProperties;
  return (
    <div className="funnel-track" style={style} title={title}>
      {before > kept && (
        <div className={onDropped ? "funnel-lost choosable" : "funnel-lost"} onClick={onDropped} />
      )}
      <div className="funnel-kept" />
    </div>
  );
}

function StepNote({
  name,
  step,
  index,
  next,
  onUsers,
}: {
  name: string;
  step: FunnelStep;
  index: number;
  next: FunnelStep | undefined;
  onUsers: Props["onUsers"];
}) {
  const number = index + 1;
  const users = (
    <>
      <strong className="number" title={exact(step.users)} data-users={step.users}>
        {short(step.users)}
      </strong>
      <span className="muted"> {step.users === 1 ? "user" : "users"}</span>
    </>
  );
  return (
    <div className="funnel-note">
      <p className="funnel-name" title={name}>
        <span className="funnel-number">{number}</span>
        <span className="funnel-name-text">{name}</span>
      </p>
      <p className="funnel-users">
        {onUsers && step.users > 0 ? (
          <button type="button" onClick={() => onUsers(number, "reached")}>
            {users}
            <span className="hidden-text">
              {" "}
              reached step {number}, {name}: show them
            </span>
          </button>
        ) : (
          users
        )}
        {index > 0 && <span className="funnel-share number">{shareText(step.fromFirst)}</span>}
      </p>
      <p className="funnel-detail">
        {index > 0 ? `${shareText(step.fromPrevious)} of the step before` : "who begin"}
      </p>
      {step.median !== null && step.p90 !== null && (
        <p className="funnel-detail" title="Time since the step before">
          median {duration(step.median)}, 90% within {duration(step.p90)}
        </p>
      )}
      {index > 0 && <Dropped name={name} number={number} step={step} onUsers={onUsers} />}
      {next === undefined && index === 0 && <p className="funnel-detail">no further step</p>}
    </div>
  );
}

function Dropped({
  name,
  number,
  step,
  onUsers,
}: {
  name: string;
  number: number;
  step: FunnelStep;
  onUsers: Props["onUsers"];
}) {
  const part = shareText(step.fromPrevious === null ? null : 1 - step.fromPrevious);
  const text = (
    <>
      <span className="number" data-dropped={step.dropped}>
        {short(step.dropped)}
      </span>{" "}
      dropped <span className="number">({part})</span>
    </>
  );
  return onUsers && step.dropped > 0 ? (
    <button
      type="button"
      className="funnel-drop"
      title={exact(step.dropped)}
      onClick={() => onUsers(number, "dropped")}
    >
      {text}
      <span className="hidden-text">
        {" "}
        before step {number}, {name}: show them
      </span>
    </button>
  ) : (
    <p className="funnel-drop" title={exact(step.dropped)}>
      {text}
    </p>
  );
}

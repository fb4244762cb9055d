import { ArrowDown, ArrowRight, ArrowUp } from "lucide-react";
import type { Group } from "./series";
import { change, exact, short } from "../../format/number";
import "./Numbers.css";

const ARROWS = { up: ArrowUp, down: ArrowDown, same: ArrowRight };

/** How far a number is from that of the period before; nothing where it is not compared. */
export function Change({ now, before }: { now: number | null; before: number | null }) {
  const changed = change(now, before);
  if (!changed || before === null) return null;
  const Arrow = ARROWS[changed.direction];
  return (
    <span className="change number" title={`${exact(before)} in the period before`}>
      <Arrow size={13} aria-hidden />
      {changed.text}
    </span>
  );
}

/** The numbers of the whole range, large. */
export function Numbers({ groups }: { groups: Group[] }) {
  return (
    <ul className="numbers">
      {groups.map((group) => (
        <li key={group.id} data-group={group.id}>
          <span className="numbers-name" title={group.label}>
            {group.label}
          </span>
          <strong
            className="number"
            title={group.total === null ? undefined : exact(group.total)}
            data-exact={group.total}
          >
            {group.total === null ? "–" : short(group.total)}
          </strong>
          <Change now={group.total} before={group.totalBefore} />
        </li>
      ))}
    </ul>
  );
}

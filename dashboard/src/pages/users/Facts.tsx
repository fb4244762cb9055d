import { ArrowLeft } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { type QueryScope, useAnswer } from "../../api/query";
import { numberIn } from "../../api/rows";
import { Card } from "../../components/display/Card";
import { ErrorNote } from "../../components/display/ErrorNote";
import { EventsFrom } from "../../components/page/EventsFrom";
import { exact, short } from "../../format/number";
import { moment } from "../../format/time";
import { useSearch } from "../../scope/address";
import { pageHref, type View } from "../../scope/scope";
import { Duties } from "./Duties";
import { Ids } from "./Ids";
import "./Facts.css";

/** Ids of a person that are shown and counted. */
const IDS = 100;

/** What is known of one person, and which ids were joined. */
export function Facts({ view, user }: { view: View; user: string }) {
  const search = useSearch();
  const scope: QueryScope = { site_id: view.site };
  const result = useAnswer({ kind: "person", user_id: user, limit: IDS, ...scope }, { keep: null });
  const person = result.answer?.rows[0];
  const ids = person?.ids.map(({ user_id }) => user_id) ?? [];
  const counted = useAnswer(
    person && ids.length > 0
      ? {
          kind: "metrics",
          metrics: [{ kind: "sessions" }],
          filter: { field: "user_id", op: "in", value: ids },
          bots: "include", // the events beside it are all that the user has
          ...scope,
        }
      : null,
    { keep: null },
  );
  const sessions = ids.length === 0 ? 0 : numberIn(counted.answer?.rows[0], "sessions");
  const when = (instant: string | null | undefined) =>
    instant === undefined ? "…" : instant === null ? "never" : moment(instant, view.zone);
  const number = (value: number | null | undefined) =>
    value == null ? <dd>…</dd> : <dd title={exact(value)}>{short(value)}</dd>;
  return (
    <>
      <p>
        <Link href={pageHref("/ui/users", search)} className="back">
          <ArrowLeft size={15} aria-hidden /> All users
        </Link>
      </p>
      <Card title={<span className="user-name">{person?.person_id ?? user}</span>}>
        {result.error ? (
          <ErrorNote error={result.error} retry={result.retry} />
        ) : (
          <>
            <dl className="facts number" aria-busy={result.loading}>
              <Fact name="Events">{number(person?.events)}</Fact>
              <Fact name="Sessions">{number(person === undefined ? null : sessions)}</Fact>
              <Fact name="First seen">
                <dd>{when(person?.first_seen)}</dd>
              </Fact>
              <Fact name="Last seen">
                <dd>{when(person?.last_seen)}</dd>
              </Fact>
            </dl>
            <EventsFrom of={[result.answer, counted.answer]} />
            {person && person.ids_total > 1 && <Ids person={person} zone={view.zone} />}
            {person && typeof view.site === "string" && (
              <Duties site={view.site} user={user} zone={view.zone} />
            )}
          </>
        )}
      </Card>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      {children}
    </div>
  );
}

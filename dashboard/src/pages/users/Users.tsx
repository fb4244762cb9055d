import { Site } from "../../parts/Site";
import { Search } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { Link, useSearch } from "wouter";
import { metricLabel, numberIn, useAnswer } from "../../api/hooks";
import type { Scope } from "../../api/types";
import { exact, short } from "../../format/number";
import { PageHead } from "../../parts/PageHead";
import { ZonePicker } from "../../parts/RangePicker";
import { useValues } from "../../parts/fields";
import { pageHref, useParams, useView, type View } from "../../scope/scope";
import { Button, Card, Nothing, Skeleton } from "../../ui/basics";
import { moment } from "../../format/time";
import { Timeline } from "./Timeline";

export default function Users() {
  const view = useView();
  const [params, update] = useParams();
  const user = params.get("user") ?? "";
  return (
    <>
      <PageHead title="Users" view={view}>
        <ZonePicker view={view} />
      </PageHead>
      <Site>
        <Card>
          <UserSearch key={user} view={view} user={user} onChoose={(chosen) => update({ user: chosen })} />
        </Card>
        {user !== "" && view.ready && (
          <>
            <Facts view={view} user={user} />
            <Timeline key={user} view={view} user={user} />
          </>
        )}
      </Site>
    </>
  );
}

function UserSearch({
  view,
  user,
  onChoose,
}: {
  view: View;
  user: string;
  onChoose: (user: string) => void;
}) {
  const [typed, setTyped] = useState(user);
  const { choices, loading, setSearch } = useValues(view, view.ready ? "user_id" : "");
  const search = useSearch();
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (typed.trim() !== "") onChoose(typed.trim());
  };
  return (
    <>
      <form className="user-search" role="search" onSubmit={onSubmit}>
        <label className="user-input">
          <Search size={16} aria-hidden />
          <span className="hidden-text">User id</span>
          <input
            type="search"
            placeholder="User id"
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value);
              setSearch(event.target.value);
            }}
          />
        </label>
        <Button kind="primary" type="submit">
          Show
        </Button>
      </form>
      {user === "" &&
        (loading && choices.length === 0 ? (
          <Skeleton lines={6} height={32} />
        ) : choices.length === 0 ? (
          <Nothing title={typed === "" ? "No user ids yet" : "No such user among the newest events"}>
            <p>{typed !== "" && "An id that is typed in full is looked for in all of them."}</p>
          </Nothing>
        ) : (
          <>
            <h2 className="list-title">Busiest in the newest events</h2>
            <ul className="user-list">
              {choices.slice(0, 24).map((choice) => (
                <li key={choice.value}>
                  <Link href={pageHref("/ui/users", search, { user: choice.value })} className="user-link">
                    <span>{choice.label}</span>
                    <span className="number muted">{choice.note}</span>
                  </Link>
                </li>
              ))}
            </ul>
          </>
        ))}
    </>
  );
}

function Facts({ view, user }: { view: View; user: string }) {
  const scope: Scope = view.site === undefined ? {} : { site_id: view.site };
  const count = useAnswer({
    kind: "metrics",
    metrics: [{ kind: "events" }, { kind: "sessions" }],
    filter: { field: "user_id", op: "=", value: user },
    ...scope,
  });
  const first = useAnswer({ kind: "events", user_id: user, ascending: true, limit: 1, ...scope });
  const last = useAnswer({ kind: "events", user_id: user, limit: 1, ...scope });
  const row = count.answer?.rows[0];
  const when = (asked: typeof first) => {
    const event = asked.answer?.rows[0];
    return asked.loading ? "…" : event ? moment(event.timestamp, view.zone) : "never";
  };
  const number = (kind: "events" | "sessions") => {
    const value = numberIn(row, metricLabel({ kind }));
    return value === null ? <dd>…</dd> : <dd title={exact(value)}>{short(value)}</dd>;
  };
  return (
    <Card title={<span className="user-name">{user}</span>}>
      <dl className="facts number">
        <div className="fact">
          <dt>Events</dt>
          {number("events")}
        </div>
        <div className="fact">
          <dt>Sessions</dt>
          {number("sessions")}
        </div>
        <div className="fact">
          <dt>First seen</dt>
          <dd>{when(first)}</dd>
        </div>
        <div className="fact">
          <dt>Last seen</dt>
          <dd>{when(last)}</dd>
        </div>
      </dl>
    </Card>
  );
}

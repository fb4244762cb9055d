import { useQueryClient } from "@tanstack/react-query";
import { Unlink } from "lucide-react";
import { useState } from "react";
import { splitIdentity } from "../../api/identity";
import { useSession } from "../../api/session";
import { may } from "../../api/rights";
import type { Person, JoinedId } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Confirm } from "../../components/overlays/Confirm";
import { exact } from "../../format/number";
import { moment } from "../../format/time";
import { joinedTo } from "./joined";
import "./Ids.css";

/** The ids that identify and alias events joined to one person, each of which can be split off again. */
export function Ids({ person, zone }: { person: Person; zone: string }) {
  const { data: session } = useSession();
  const client = useQueryClient();
  const [splitting, setSplitting] = useState<JoinedId | null>(null);
  const more = person.ids_total - person.ids.length;
  return (
    <section className="person-ids" aria-label="Ids of this person">
      <h3>{person.ids_total} ids of one person</h3>
      <ul>
        {person.ids.map((id) => (
          <li key={`${id.site_id} ${id.user_id}`}>
            <div className="joined-id">
              <strong>{id.user_id}</strong>
              <span className="muted number">
                {exact(id.events)} {id.events === 1 ? "event" : "events"}
                {id.linked_to !== null && id.linked_at !== null && `, joined ${moment(id.linked_at, zone)}`}
              </span>
            </div>
            {id.linked_to !== null && session && may(session.may, "erase", null) && (
              <Button kind="danger" aria-label={`Split off ${id.user_id}`} onClick={() => setSplitting(id)}>
                <Unlink size={15} aria-hidden /> Split
              </Button>
            )}
          </li>
        ))}
      </ul>
      {more > 0 && <p className="muted">And {exact(more)} more.</p>}
      {splitting && (
        <Confirm
          title="Split off this id?"
          action="Split"
          onConfirm={() => splitIdentity(splitting.site_id, splitting.user_id)}
          onDone={() => {
            setSplitting(null);
            void client.invalidateQueries(); // every report that counts users changes
          }}
          onClose={() => setSplitting(null)}
        >
          <What id={splitting} person={person} />
        </Confirm>
      )}
    </section>
  );
}

/** What a split does. */
function What({ id, person }: { id: JoinedId; person: Person }) {
  const along = joinedTo(id, person.ids);
  return (
    <>
      <p>
        <strong>{id.user_id}</strong> leaves <strong>{person.person_id ?? id.linked_to}</strong>
        {along.length > 0 && (
          <>
            {" "}
            together with {along.length === 1 ? "the id" : `the ${along.length} ids`} joined to it (
            {along.map((one) => one.user_id).join(", ")})
          </>
        )}
        . In every report it counts as a person of its own, with its earlier events too.
      </p>
      <p>
        Events stay as they were sent. The events that joined it up to now do not count any more; a later{" "}
        <code>identify</code> or <code>alias</code> event joins it again.
      </p>
    </>
  );
}

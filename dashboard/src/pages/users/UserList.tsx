import { ArrowDown, ArrowUp, Search } from "lucide-react";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import type { UserOrder } from "../../api/query";
import type { UserRow } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { useSettled } from "../../components/controls/useSettled";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { usePages } from "../../api/query";
import { EventsFrom } from "../../components/page/EventsFrom";
import { exact } from "../../format/number";
import { moment } from "../../format/time";
import { type Listing, listingParams, readListing, sorted } from "./state";
import { useSearch } from "../../scope/address";
import { pageHref, useParams, type View } from "../../scope/scope";
import "./UserList.css";

const PAGE = 50;

const COLUMNS: { order: UserOrder; label: string; right?: boolean }[] = [
  { order: "user_id", label: "User" },
  { order: "last_seen", label: "Last seen" },
  { order: "first_seen", label: "First seen" },
  { order: "events", label: "Events", right: true },
];

/** Everybody who passes the filters, page by page; one opens to the timeline. */
export function UserList({ view }: { view: View }) {
  const [params, update] = useParams();
  const listing = readListing(params);
  const [typed, setTyped] = useState(listing.search);
  const searched = useSettled(typed.trim());
  // Up to one moment: events that come meanwhile would move users between the pages.
  const [until] = useState(() => new Date().toISOString());
  useEffect(() => {
    if (searched !== listing.search) update(listingParams({ ...listing, search: searched }));
    // Only what is typed changes the address here; back and forward change it otherwise.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [searched]);
  const pages = usePages(
    view.ready
      ? {
          kind: "people",
          ...view.everScope,
          until,
          order: listing.order,
          ascending: listing.ascending,
          limit: PAGE,
          ...(listing.search === "" ? {} : { search: listing.search }),
        }
      : null,
  );
  return (
    <Card
      title="Everybody"
      actions={
        <label className="user-input">
          <Search size={16} aria-hidden />
          <span className="hidden-text">Search user ids</span>
          <input
            type="search"
            placeholder="Search user ids"
            maxLength={200}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
      }
    >
      {pages.error ? (
        <ErrorNote error={pages.error} retry={pages.refetch} />
      ) : pages.loading ? (
        <Skeleton lines={12} height={32} />
      ) : pages.rows.length === 0 ? (
        <EmptyState title={listing.search === "" ? "No users" : "No such user"}>
          <p>
            {listing.search === ""
              ? "Users are who events name in user_id; no event that passes the filters has one."
              : "No id of those that pass the filters contains this."}
          </p>
        </EmptyState>
      ) : (
        <Rows
          view={view}
          users={pages.rows}
          listing={listing}
          onSort={(order) => update(listingParams(sorted(listing, order)))}
        />
      )}
      <EventsFrom of={[pages.first]} />
      {pages.hasMore && (
        <div className="more">
          <Button onClick={pages.loadMore} disabled={pages.loadingMore}>
            {pages.loadingMore ? "Loading …" : "Show more users"}
          </Button>
        </div>
      )}
    </Card>
  );
}

function Rows({
  view,
  users,
  listing,
  onSort,
}: {
  view: View;
  users: UserRow[];
  listing: Listing;
  onSort: (order: UserOrder) => void;
}) {
  const search = useSearch();
  const direction = listing.ascending ? "ascending" : "descending";
  const Arrow = listing.ascending ? ArrowUp : ArrowDown;
  return (
    <div className="table-scroll">
      <table className="table everybody">
        <thead>
          <tr>
            {COLUMNS.map(({ order, label, right }) => (
              <th
                key={order}
                scope="col"
                className={right ? "right" : undefined}
                aria-sort={order === listing.order ? direction : undefined}
              >
                <button type="button" className="sort" onClick={() => onSort(order)}>
                  {label}
                  {order === listing.order && <Arrow size={13} aria-hidden />}
                </button>
              </th>
            ))}
            <th scope="col" className="right">
              Sessions
            </th>
          </tr>
        </thead>
        <tbody>
          {users.map((person) => (
            <tr key={person.user_id}>
              <td>
                <Link
                  href={pageHref("/ui/users", search, { user: person.user_id })}
                  className="person-link"
                  title={person.user_id}
                >
                  {person.user_id}
                </Link>
              </td>
              <td className="time" title={person.last_seen}>
                {moment(person.last_seen, view.zone)}
              </td>
              <td className="time" title={person.first_seen}>
                {moment(person.first_seen, view.zone)}
              </td>
              <td className="right">{exact(person.events)}</td>
              <td className="right">{exact(person.sessions)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

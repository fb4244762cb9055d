import { ChevronRight } from "lucide-react";
import { Link } from "wouter";
import type { ListedUsers } from "./state";
import { type FunnelScope, usePages } from "../../api/query";
import { Button } from "../../components/controls/Button";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { Drawer } from "../../components/overlays/Drawer";
import { exact } from "../../format/number";
import { moment } from "../../format/time";
import { useSearch } from "../../scope/address";
import { pageHref } from "../../scope/scope";
import "./FunnelUsersDrawer.css";

/** Who did a step, or did the one before and not this one; each leads to their timeline. */
export function FunnelUsersDrawer({
  scope,
  listed,
  name,
  grouped,
  zone,
  onClose,
}: {
  scope: FunnelScope;
  listed: ListedUsers;
  /** What the step is called. */
  name: string;
  /** The funnel is broken down: the list is not. */
  grouped: boolean;
  zone: string;
  onClose: () => void;
}) {
  const {
    rows: users,
    loading,
    error,
    hasMore,
    loadingMore,
    loadMore,
    refetch,
  } = usePages({
    ...scope,
    kind: "funnel_users",
    ...listed,
    limit: 50,
  });
  const search = useSearch();
  const title =
    listed.outcome === "dropped"
      ? `Dropped before step ${listed.step}: ${name}`
      : `Reached step ${listed.step}: ${name}`;
  return (
    <Drawer title={title} onClose={onClose}>
      {grouped && <p className="muted">Of all groups together.</p>}
      {error ? (
        <ErrorNote error={error} retry={refetch} />
      ) : loading ? (
        <Skeleton lines={8} height={40} />
      ) : users.length === 0 ? (
        <EmptyState title="No users" />
      ) : (
        <ul className="people" aria-label={title}>
          {users.map((user) => (
            <li key={user.user_id}>
              <Link
                className="person"
                href={pageHref("/ui/users", search, { user: user.user_id })}
                data-user={user.user_id}
              >
                <span className="person-id">{user.user_id}</span>
                <span className="person-note">
                  {user.steps === 1 ? "1 step" : `${user.steps} steps`}, the last on{" "}
                  {moment(user.last_at, zone)}
                </span>
                <ChevronRight size={16} aria-hidden />
              </Link>
            </li>
          ))}
        </ul>
      )}
      {hasMore ? (
        <div className="more">
          <Button onClick={loadMore} disabled={loadingMore}>
            {loadingMore ? "Loading …" : "Show more"}
          </Button>
        </div>
      ) : (
        users.length > 0 && <p className="muted">{exact(users.length)} in all.</p>
      )}
    </Drawer>
  );
}

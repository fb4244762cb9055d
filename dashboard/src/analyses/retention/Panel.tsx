import type { ReactNode } from "react";
import type { QueryState } from "../../api/query";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import "./Panel.css";

/** A card with an answer, or with what is there instead of one. */
export function Panel({
  title,
  result,
  empty,
  controls,
  note,
  children,
}: {
  title: string;
  result: QueryState<unknown>;
  /** The answer has no user in it. */
  empty: boolean;
  controls?: ReactNode;
  note?: ReactNode;
  children: ReactNode;
}) {
  const { answer, error, previous, retry } = result;
  return (
    <Card
      title={title}
      actions={
        <div className="panel-actions">
          {note}
          <div className="explore-bar">{controls}</div>
        </div>
      }
    >
      <div aria-busy={previous}>
        {error && !answer ? (
          <ErrorNote error={error} retry={retry} />
        ) : !answer ? (
          <Skeleton height={360} />
        ) : empty ? (
          <EmptyState title="No known users in this range">
            <p>Users are counted by the user_id of their events. Choose a longer range, or fewer filters.</p>
          </EmptyState>
        ) : (
          children
        )}
      </div>
    </Card>
  );
}

import type { ReactNode } from "react";
import type { Asked } from "../../api/hooks";
import { Card, ErrorNote, Nothing, Skeleton } from "../../ui/basics";

/** A card with an answer, or with what is there instead of one. */
export function Panel({
  title,
  asked,
  empty,
  controls,
  note,
  children,
}: {
  title: string;
  asked: Asked<unknown>;
  /** The answer says that nobody did anything. */
  empty: boolean;
  controls?: ReactNode;
  note?: ReactNode;
  children: ReactNode;
}) {
  const { answer, error, previous, retry } = asked;
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
          <Nothing title="No known users in this range">
            <p>Users are counted by the user_id of their events. Choose a longer range, or fewer filters.</p>
          </Nothing>
        ) : (
          children
        )}
      </div>
    </Card>
  );
}

import type { ReactNode } from "react";
import { Card } from "./Card";
import { ErrorNote } from "./ErrorNote";
import { Skeleton } from "./Skeleton";

interface Listing {
  error: Error | null;
  refetch: () => unknown;
}

/** A card with a list, or with what is there instead of one. */
export function Listed({
  title,
  actions,
  result,
  rows,
  none,
  children,
}: {
  title: string;
  actions?: ReactNode;
  result: Listing;
  rows: readonly unknown[] | undefined;
  none: ReactNode;
  children: ReactNode;
}) {
  return (
    <Card title={title} actions={actions}>
      {rows === undefined ? (
        result.error ? (
          <ErrorNote error={result.error} retry={() => void result.refetch()} />
        ) : (
          <Skeleton lines={3} height={40} />
        )
      ) : rows.length === 0 ? (
        none
      ) : (
        children
      )}
    </Card>
  );
}

import { Site } from "../../parts/Site";
import { RotateCw } from "lucide-react";
import { EventTable } from "../../parts/EventTable";
import { usePages } from "../../parts/events";
import { FilterBar } from "../../parts/FilterBar";
import { PageHead } from "../../parts/PageHead";
import { RangePicker, ZonePicker } from "../../parts/RangePicker";
import { clock } from "../../format/time";
import { useView } from "../../scope/scope";
import { Button, Card, ErrorNote, Nothing, Skeleton } from "../../ui/basics";

const PAGE = 50;

export default function Events() {
  const view = useView();
  const pages = usePages(view.ready ? { kind: "events", limit: PAGE, ...view.scope } : null);
  return (
    <>
      <PageHead title="Events" view={view}>
        <ZonePicker view={view} />
        <RangePicker view={view} comparison={false} />
      </PageHead>
      <Site>
        <FilterBar view={view} />
        <Card
          title="Newest first"
          actions={
            <span className="dead-bar">
              {pages.updatedAt > 0 && (
                <span className="card-unit number">as of {clock(pages.updatedAt, view.zone)}</span>
              )}
              <Button onClick={pages.refetch} disabled={pages.fetching}>
                <RotateCw size={14} aria-hidden /> Refresh
              </Button>
            </span>
          }
        >
          {pages.error ? (
            <ErrorNote error={pages.error} retry={pages.refetch} />
          ) : pages.loading ? (
            <Skeleton lines={12} height={32} />
          ) : pages.rows.length === 0 ? (
            <Nothing title="No events">
              <p>Nothing in this range matches. Choose a longer one, or fewer filters.</p>
            </Nothing>
          ) : (
            <EventTable events={pages.rows} zone={view.zone} />
          )}
          {pages.hasMore && (
            <div className="more">
              <Button onClick={pages.loadMore} disabled={pages.loadingMore}>
                {pages.loadingMore ? "Loading …" : "Show older events"}
              </Button>
            </div>
          )}
        </Card>
      </Site>
    </>
  );
}

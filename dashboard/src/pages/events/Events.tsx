import { RotateCw } from "lucide-react";
import { Button } from "../../components/controls/Button";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { EventTable } from "../../components/events/EventTable";
import { usePages } from "../../api/query";
import { EventsFrom } from "../../components/page/EventsFrom";
import { FilterBar } from "../../components/page/FilterBar";
import { PageHead } from "../../components/page/PageHead";
import { RangePicker, ZonePicker } from "../../components/page/RangePicker";
import { Site } from "../../components/page/Site";
import { clock } from "../../format/time";
import { useView } from "../../scope/scope";

const PAGE = 50;

export default function Events() {
  const view = useView();
  const pages = usePages(view.ready ? { kind: "events", limit: PAGE, bots: "exclude", ...view.scope } : null);
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
            <EmptyState title="No events">
              <p>No event in this range matches. Choose a longer one, or fewer filters.</p>
            </EmptyState>
          ) : (
            <EventTable events={pages.rows} zone={view.zone} />
          )}
          {!pages.hasMore && <EventsFrom of={[pages.first]} />}
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

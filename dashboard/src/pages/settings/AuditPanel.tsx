import { useInfiniteQuery } from "@tanstack/react-query";
import { auditOptions } from "../../api/access";
import type { AuditEntry } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Listed } from "../../components/display/Listed";
import { moment } from "../../format/time";
import { localZone } from "../../scope/zone";
import { detailsText } from "./audit";

/** Who changed what, and when; the newest first. */
export function AuditPanel() {
  const log = useInfiniteQuery(auditOptions);
  const entries = log.data?.pages.flatMap((page) => page.entries);
  return (
    <Listed
      title="Audit log"
      result={log}
      rows={entries}
      none={<EmptyState title="Nothing was changed yet" />}
    >
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Audit log">
        <table className="table audit">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">Of</th>
              <th scope="col">Site</th>
              <th scope="col">From</th>
              <th scope="col">Details</th>
            </tr>
          </thead>
          <tbody>
            {entries?.map((entry) => (
              <Row key={entry.id} entry={entry} />
            ))}
          </tbody>
        </table>
      </div>
      {log.error && <ErrorNote error={log.error} retry={() => void log.fetchNextPage()} />}
      {log.hasNextPage && (
        <div className="more">
          <Button disabled={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
            Show older ones
          </Button>
        </div>
      )}
    </Listed>
  );
}

function Row({ entry }: { entry: AuditEntry }) {
  const details = detailsText(entry.details);
  return (
    <tr>
      <td className="time">{moment(entry.at, localZone())}</td>
      <td title={entry.actor}>{entry.actor}</td>
      <td>{entry.action}</td>
      <td title={entry.subject}>{entry.subject}</td>
      <td>{entry.site_id ?? ""}</td>
      <td>{entry.address ?? ""}</td>
      <td title={details}>{details}</td>
    </tr>
  );
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Download, UserX } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { erasePerson, personFile } from "../../api/person";
import { may } from "../../api/rights";
import { useSession } from "../../api/session";
import type { PersonCounts } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { Confirm } from "../../components/overlays/Confirm";
import { Modal } from "../../components/overlays/Modal";
import { keep } from "../../format/file";
import { exact } from "../../format/number";
import { moment } from "../../format/time";
import { useSearch } from "../../scope/address";
import { pageHref } from "../../scope/scope";
import "./Duties.css";

/** What a person may ask for: everything about them as a file, and their erasure, each where the caller has the right. */
export function Duties({ site, user, zone }: { site: string; user: string; zone: string }) {
  const { data: session } = useSession();
  const [erasing, setErasing] = useState(false);
  const saved = useMutation({
    mutationFn: () => personFile(site, user),
    onSuccess: (file) => keep("person.zip", file),
  });
  const mayExport = session !== undefined && may(session.may, "export", site);
  const mayErase = session !== undefined && may(session.may, "erase", site);
  if (!mayExport && !mayErase) return null;
  return (
    <>
      <div className="person-duties" role="group" aria-label="Data of this person">
        {mayExport && (
          <Button disabled={saved.isPending} onClick={() => saved.mutate()}>
            <Download size={15} aria-hidden /> Download everything
          </Button>
        )}
        {mayErase && (
          <Button kind="danger" onClick={() => setErasing(true)}>
            <UserX size={15} aria-hidden /> Erase
          </Button>
        )}
      </div>
      {saved.error && <ErrorNote error={saved.error} />}
      {erasing && <Erase site={site} user={user} zone={zone} onClose={() => setErasing(false)} />}
    </>
  );
}

/** Counts first; then asks, and erases. */
function Erase({
  site,
  user,
  zone,
  onClose,
}: {
  site: string;
  user: string;
  zone: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const search = useSearch();
  const [, go] = useLocation();
  const counted = useQuery({
    queryKey: ["erase", site, user],
    queryFn: () => erasePerson(site, user, true),
    gcTime: 0,
    staleTime: Infinity,
    retry: false,
  });
  if (counted.data === undefined) {
    return (
      <Modal title="Erase this person?" onClose={onClose}>
        {counted.error ? (
          <ErrorNote error={counted.error} retry={() => void counted.refetch()} />
        ) : (
          <Skeleton lines={3} />
        )}
      </Modal>
    );
  }
  return (
    <Confirm
      title="Erase this person?"
      action="Erase for good"
      onConfirm={() => erasePerson(site, user, false)}
      onDone={() => {
        onClose();
        go(pageHref("/ui/users", search));
        void client.invalidateQueries(); // every report changes
      }}
      onClose={onClose}
    >
      <Found user={user} found={counted.data.found} zone={zone} />
    </Confirm>
  );
}

function Found({ user, found, zone }: { user: string; found: PersonCounts; zone: string }) {
  const many = (count: number, word: string) => `${exact(count)} ${word}${count === 1 ? "" : "s"}`;
  return (
    <>
      <p>
        <strong>{user}</strong>: {many(found.ids, "id")}, {many(found.events, "event")} in{" "}
        {many(found.sessions, "session")}, {many(found.dead_letters, "dead letter")}
        {found.first !== null && found.last !== null && (
          <>
            , from {moment(found.first, zone)} to {moment(found.last, zone)}
          </>
        )}
        .
      </p>
      <p>
        They go from every report, and cannot be brought back. Events of before are not stored when they are
        sent or imported again; events that happen from now on are. Backups and exported files stay as they
        are.
      </p>
    </>
  );
}

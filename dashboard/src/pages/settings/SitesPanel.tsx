import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { Link } from "wouter";
import { addSite, removeSite, sitesOptions } from "../../api/access";
import type { AccessSite, Session } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Listed } from "../../components/display/Listed";
import { Confirm } from "../../components/overlays/Confirm";
import { Modal } from "../../components/overlays/Modal";
import { moment } from "../../format/time";
import { localZone } from "../../scope/zone";
import { address } from "../../scope/address";

/** The sites that have keys and people of their own. */
export function SitesPanel({ session }: { session: Session }) {
  const client = useQueryClient();
  const sites = useQuery(sitesOptions);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<AccessSite | null>(null);
  const { admin } = session.may;
  const again = () => void client.invalidateQueries(); // keys and roles go with a site
  const add = admin && (
    <Button kind="primary" onClick={() => setAdding(true)}>
      <Plus size={15} aria-hidden /> Add a site
    </Button>
  );
  return (
    <>
      <Listed
        title="Sites"
        actions={add}
        result={sites}
        rows={sites.data}
        none={
          <EmptyState title="No sites yet">
            <p>A site keeps the events of a web page or an app apart from all others.</p>
          </EmptyState>
        }
      >
        <div className="table-scroll">
          <table className="table settings-table">
            <thead>
              <tr>
                <th scope="col">Site</th>
                <th scope="col" className="settings-rest">
                  Added
                </th>
                <th scope="col">
                  <span className="hidden-text">What to do with it</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {sites.data?.map((site) => (
                <Row key={site.site_id} site={site} onRemove={admin ? () => setRemoving(site) : null} />
              ))}
            </tbody>
          </table>
        </div>
      </Listed>
      {adding && (
        <AddSite
          onDone={() => {
            setAdding(false);
            again();
          }}
          onClose={() => setAdding(false)}
        />
      )}
      {removing && (
        <Confirm
          title="Remove the site?"
          action="Remove"
          onConfirm={() => removeSite(removing.site_id)}
          onDone={() => {
            setRemoving(null);
            again();
          }}
          onClose={() => setRemoving(null)}
        >
          <p>
            The keys that are for <strong>{removing.site_id}</strong> alone stop working, and its roles and
            invitations end. Its events stay.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Row({ site, onRemove }: { site: AccessSite; onRemove: (() => void) | null }) {
  return (
    <tr data-site={site.site_id}>
      <th scope="row">
        <Link href={address("/", new URLSearchParams(), { site: site.site_id })}>{site.site_id}</Link>
        {site.name !== "" && site.name !== site.site_id && <span className="cell-note">{site.name}</span>}
      </th>
      <td className="settings-rest">{moment(site.created_at, localZone())}</td>
      <td className="settings-do">
        {onRemove && (
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove ${site.site_id}`}
            title="Remove"
            onClick={onRemove}
          >
            <Trash2 size={16} aria-hidden />
          </button>
        )}
      </td>
    </tr>
  );
}

function AddSite({ onDone, onClose }: { onDone: () => void; onClose: () => void }) {
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const adding = useMutation({ mutationFn: () => addSite(id.trim(), name.trim()), onSuccess: onDone });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    adding.mutate();
  };
  return (
    <Modal title="Add a site" onClose={onClose}>
      <form onSubmit={onSubmit}>
        <label className="field">
          <span>Site id, as events name it</span>
          <input
            data-autofocus
            required
            maxLength={255}
            autoComplete="off"
            spellCheck={false}
            placeholder="shop"
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
        </label>
        <label className="field">
          <span>Name (optional)</span>
          <input
            maxLength={200}
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        {adding.error && <ErrorNote error={adding.error} />}
        <div className="modal-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={id.trim() === "" || adding.isPending}>
            Add
          </Button>
        </div>
      </form>
    </Modal>
  );
}

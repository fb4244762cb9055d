import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { createKey } from "../../../api/access";
import type { NewAccessKey, Session } from "../../../api/types";
import { coversAll } from "../../../api/rights";
import { Button } from "../../../components/controls/Button";
import { Select } from "../../../components/controls/Select";
import { ErrorNote } from "../../../components/display/ErrorNote";
import { ShownOnce } from "../../../components/display/ShownOnce";
import { Modal } from "../../../components/overlays/Modal";
import { QuotaFields } from "./QuotaFields";
import { SiteChoice } from "./SiteChoice";
import { fieldsOf, isComplete, type KeyForm, KINDS, NEW_KEY, purposeOf, rightsFor } from "./keyFields";

/** Makes a key, and shows it this once. */
export function NewKeyDialog({
  session,
  onMade,
  onClose,
}: {
  session: Session;
  onMade: () => void;
  onClose: () => void;
}) {
  const [made, setMade] = useState<NewAccessKey | null>(null);
  if (made) {
    return (
      <Modal title="The new key" wide onClose={onClose}>
        <ShownOnce text={made.key} label="the key">
          <strong>{made.name}</strong>: {purposeOf(made)}.
        </ShownOnce>
        <div className="modal-actions">
          <Button onClick={onClose}>Close</Button>
        </div>
      </Modal>
    );
  }
  return (
    <Form
      session={session}
      onMade={(key) => {
        setMade(key);
        onMade();
      }}
      onClose={onClose}
    />
  );
}

function Form({
  session,
  onMade,
  onClose,
}: {
  session: Session;
  onMade: (key: NewAccessKey) => void;
  onClose: () => void;
}) {
  const [form, setForm] = useState<KeyForm>(NEW_KEY);
  const change = (part: Partial<KeyForm>) => setForm({ ...form, ...part });
  const making = useMutation({
    mutationFn: () => createKey(fieldsOf(form)),
    onSuccess: onMade,
    gcTime: 0, // the key is in it
  });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    making.mutate();
  };
  const kinds = KINDS.filter(({ value }) => value !== "admin" || session.may.admin);
  return (
    <Modal title="New key" onClose={onClose}>
      <form onSubmit={onSubmit}>
        <label className="field">
          <span>Name: who or what uses it</span>
          <input
            data-autofocus
            required
            maxLength={200}
            autoComplete="off"
            placeholder="Web shop, nightly report …"
            value={form.name}
            onChange={(event) => change({ name: event.target.value })}
          />
        </label>
        <div className="field">
          <span>What for</span>
          <Select
            label="What for"
            value={form.kind}
            options={kinds}
            onChange={(kind) => change({ kind, sites: [] })}
          />
        </div>
        {form.kind !== "admin" && (
          <SiteChoice
            one={form.kind === "write"}
            every={form.every}
            sites={form.sites}
            onEvery={coversAll(session.may.own) ? (every) => change({ every }) : null}
            onSites={(sites) => change({ sites })}
          />
        )}
        {form.kind === "read" && <Rights form={form} onChange={change} />}
        {form.kind === "write" && (
          <label className="field">
            <span>Only from web pages of these origins (optional)</span>
            <textarea
              className="text-area"
              rows={2}
              spellCheck={false}
              placeholder="https://shop.example"
              value={form.origins}
              onChange={(event) => change({ origins: event.target.value })}
            />
          </label>
        )}
        {form.kind === "write" && <QuotaFields form={form} onChange={change} />}
        {making.error && <ErrorNote error={making.error} />}
        <div className="modal-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={!isComplete(form) || making.isPending}>
            Make the key
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function Rights({ form, onChange }: { form: KeyForm; onChange: (part: Partial<KeyForm>) => void }) {
  return (
    <fieldset className="field-group">
      <legend>Besides reading, it may</legend>
      {rightsFor(form.every).map(({ value, label }) => (
        <label className="check" key={value}>
          <input
            type="checkbox"
            checked={form.rights.includes(value)}
            onChange={(event) =>
              onChange({
                rights: event.target.checked
                  ? [...form.rights, value]
                  : form.rights.filter((one) => one !== value),
              })
            }
          />
          {label}
        </label>
      ))}
    </fieldset>
  );
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { sitesOptions } from "../../api/access";
import { changeRetention, retentionOptions, type Rule } from "../../api/retention";
import type { RetentionChange, SiteRetention } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Listed } from "../../components/display/Listed";
import { Confirm } from "../../components/overlays/Confirm";
import { Modal } from "../../components/overlays/Modal";
import { daysText, goes, goingText, keepingSites, type Rollups, rollupsOf, ruleOf } from "./retention";

interface Counted {
  site: string;
  rule: Rule;
  change: RetentionChange;
}

/** For how long the events of each site are kept. */
export function RetentionPanel() {
  const client = useQueryClient();
  const sites = useQuery(sitesOptions);
  const kept = useQuery(retentionOptions);
  const [changing, setChanging] = useState<string | null>(null);
  const [counted, setCounted] = useState<Counted | null>(null);
  const result = kept.error ? kept : sites;
  const rules = new Map(kept.data?.rules.map((rule) => [rule.site_id, rule]));
  const keeping = kept.data && keepingSites(kept.data);
  const rows =
    sites.data &&
    kept.data &&
    [...new Set([...sites.data.map((site) => site.site_id), ...rules.keys()])].sort();
  const usual = daysText(kept.data?.default_days ?? null);
  return (
    <>
      <Listed
        title="How long events are kept"
        result={result}
        rows={rows}
        none={
          <EmptyState title="No sites yet">
            <p>Events of all sites are kept {usual}.</p>
          </EmptyState>
        }
      >
        <p>Sites without a rule of their own: {usual}.</p>
        <div className="table-scroll">
          <table className="table settings-table">
            <thead>
              <tr>
                <th scope="col">Site</th>
                <th scope="col">Kept</th>
                <th scope="col">
                  <span className="hidden-text">What to do with it</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows?.map((site) => (
                <tr key={site} data-kept={site}>
                  <th scope="row">{site}</th>
                  <td>
                    {daysOf(rules.get(site), usual)}
                    {keeping?.(site) && "; then rollups stay"}
                  </td>
                  <td className="settings-do">
                    <Button
                      onClick={() => setChanging(site)}
                      aria-label={`Change how long events of ${site} are kept`}
                    >
                      Change
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Listed>
      {changing !== null && (
        <ChangeRule
          site={changing}
          before={rules.get(changing)}
          usual={usual}
          staying={kept.data?.rollups_can_stay ? kept.data.default_keep_rollups : null}
          onCounted={(found) => {
            setChanging(null);
            setCounted(found);
          }}
          onClose={() => setChanging(null)}
        />
      )}
      {counted && (
        <Confirm
          title={goes(counted.change) ? "Remove what is older?" : "Change the rule?"}
          action={goes(counted.change) ? "Remove it" : "Change"}
          onConfirm={() => changeRetention(counted.site, counted.rule, false)}
          onDone={() => {
            setCounted(null);
            void client.invalidateQueries();
          }}
          onClose={() => setCounted(null)}
        >
          <p>
            Events of <strong>{counted.site}</strong> are kept {daysText(counted.change.days)}.{" "}
            {goingText(counted.change)}
          </p>
        </Confirm>
      )}
    </>
  );
}

function daysOf(rule: SiteRetention | undefined, usual: string): string {
  return rule ? daysText(rule.days) : `as others (${usual})`;
}

function ChangeRule({
  site,
  before,
  usual,
  staying,
  onCounted,
  onClose,
}: {
  site: string;
  /** undefined: the site has no rule. */
  before: SiteRetention | undefined;
  usual: string;
  /** Whether rollups of sites whose rule does not say it stay; null: this store keeps none. */
  staying: boolean | null;
  onCounted: (found: Counted) => void;
  onClose: () => void;
}) {
  const [kind, setKind] = useState(before ? (before.days === null ? "ever" : "days") : "default");
  const [text, setText] = useState(before?.days ? String(before.days) : "");
  const [rollups, setRollups] = useState(rollupsOf(before?.keep_rollups));
  const rule = ruleOf(kind, text, rollups);
  const counting = useMutation({
    mutationFn: async (wanted: Rule) => ({
      site,
      rule: wanted,
      change: await changeRetention(site, wanted, true),
    }),
    onSuccess: onCounted,
  });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (rule !== null) counting.mutate(rule);
  };
  return (
    <Modal title={`How long events of ${site} are kept`} onClose={onClose}>
      <form onSubmit={onSubmit}>
        <label className="field">
          <span>Keep them</span>
          <select data-autofocus value={kind} onChange={(event) => setKind(event.target.value)}>
            <option value="default">as sites without a rule ({usual})</option>
            <option value="days">for a number of days</option>
            <option value="ever">for ever</option>
          </select>
        </label>
        {kind === "days" && (
          <label className="field">
            <span>Days</span>
            <input
              type="number"
              required
              min={1}
              max={36_500}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          </label>
        )}
        {kind !== "default" && staying !== null && (
          <label className="field">
            <span>Rollups of removed events</span>
            <select value={rollups} onChange={(event) => setRollups(event.target.value as Rollups)}>
              <option value="default">
                as on sites without a rule ({staying ? "they stay" : "they go too"})
              </option>
              <option value="stay">stay: counts by name and source, and users by day</option>
              <option value="go">go too</option>
            </select>
          </label>
        )}
        {counting.error && <ErrorNote error={counting.error} />}
        <div className="modal-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            disabled={rule === null || (rule === "default" && before === undefined) || counting.isPending}
          >
            Count what is older
          </Button>
        </div>
      </form>
    </Modal>
  );
}

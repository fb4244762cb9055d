import { FilterBar } from "../../parts/FilterBar";
import { PageHead } from "../../parts/PageHead";
import { RangePicker, ZonePicker } from "../../parts/RangePicker";
import { Site } from "../../parts/Site";
import { retentionDraft } from "../../reports/draft";
import { OpenReport, SaveButton } from "../../reports/SavedReport";
import { useParams, useView, type View } from "../../scope/scope";
import { Segmented, Select } from "../../ui/basics";
import { Cohorts } from "./Cohorts";
import { ActiveUsers, Lifecycle, Stickiness } from "./Persons";
import { type Coming, comingParams, PERIODS, readComing, type Tab, TABS } from "./state";

const TAB_LABELS: Record<Tab, string> = {
  retention: "Retention",
  lifecycle: "Lifecycle",
  stickiness: "Stickiness",
  active: "Active users",
};

const PERIOD_LABELS = { day: "By day", week: "By week", month: "By month" };

export interface TabProps {
  view: View;
  coming: Coming;
  onChange: (change: Partial<Coming>) => void;
}

export default function Retention() {
  const view = useView();
  const [params, update] = useParams();
  const coming = readComing(params, view.span);
  const onChange = (change: Partial<Coming>) => update(comingParams(change));
  const shown = { view, coming, onChange };
  const draft = retentionDraft(view, coming);
  return (
    <>
      <PageHead title="Retention" view={view}>
        <ZonePicker view={view} />
        <RangePicker view={view} comparison={false} />
        <SaveButton {...{ view, draft }} />
      </PageHead>
      <OpenReport {...{ view, draft }} />
      <Site>
        <div className="tab-bar">
          <Segmented<Tab>
            label="Question"
            value={coming.tab}
            options={TABS.map((value) => ({ value, label: TAB_LABELS[value] }))}
            onChange={(tab) => onChange({ tab })}
          />
        </div>
        <FilterBar view={view} />
        {coming.tab === "retention" ? (
          <Cohorts {...shown} />
        ) : coming.tab === "lifecycle" ? (
          <Lifecycle {...shown} />
        ) : coming.tab === "stickiness" ? (
          <Stickiness {...shown} />
        ) : (
          <ActiveUsers {...shown} />
        )}
      </Site>
    </>
  );
}

export function EveryPicker({ coming, onChange }: TabProps) {
  return (
    <Select
      label="Period"
      value={coming.every}
      options={PERIODS.map((value) => ({ value, label: PERIOD_LABELS[value] }))}
      onChange={(every) => onChange({ every })}
    />
  );
}

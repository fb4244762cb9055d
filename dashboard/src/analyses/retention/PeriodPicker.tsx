import { Select } from "../../components/controls/Select";
import type { View } from "../../scope/scope";
import { type RetentionState, PERIODS } from "./state";

const PERIOD_LABELS = { day: "By day", week: "By week", month: "By month" };

/** What each tab of the retention page gets. */
export interface TabProps {
  view: View;
  retention: RetentionState;
  onChange: (change: Partial<RetentionState>) => void;
}

/** Chooses the length of the periods. */
export function PeriodPicker({ retention, onChange }: TabProps) {
  return (
    <Select
      label="Period"
      value={retention.every}
      options={PERIODS.map((value) => ({ value, label: PERIOD_LABELS[value] }))}
      onChange={(every) => onChange({ every })}
    />
  );
}

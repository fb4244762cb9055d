import type { SavedReport } from "../../api/library";
import { shownBy } from "./draft";

/** Columns and rows of a board that a report looks good in. */
export function usualSize(report: SavedReport): { width: number; height: number } {
  const { question } = report;
  switch (question.kind) {
    case "paths":
    case "retention":
      return { width: 4, height: 3 };
    case "funnel": {
      const steps = question["steps"];
      return { width: Array.isArray(steps) && steps.length > 4 ? 4 : 2, height: 3 };
    }
    case "metrics":
      if (question["interval"] === undefined && question["breakdown"] === undefined)
        return {
          width:
            Array.isArray(question["metrics"]) && question["metrics"].length > 1 && !question["formulas"]
              ? 2
              : 1,
          height: 1,
        };
      return { width: 2, height: shownBy(report)?.params.get("chart") === "number" ? 1 : 2 };
    default:
      return { width: 2, height: 2 };
  }
}

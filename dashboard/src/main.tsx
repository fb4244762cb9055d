import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/chart.css";
import "./styles/tables.css";
import "./styles/bars.css";
import "./styles/tabs.css";
import "./styles/overview.css";
import "./styles/explore.css";
import "./styles/funnel.css";
import "./styles/retention.css";
import "./styles/paths.css";
import "./styles/users.css";
import "./styles/live.css";
import "./styles/pipeline.css";
import "./styles/board.css";
import "./styles/sql.css";
import { applyTheme } from "./ui/theme";

applyTheme();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

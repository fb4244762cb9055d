import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./app/base.css";
import "./components/controls/fields.css";
import "./components/display/table.css";
import { App } from "./app/App";
import { applyTheme } from "./app/theme";

applyTheme();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

/** The rooms of src/: a room may import the ones before it. */
const ROOMS = ["api", "format", "scope", "charts", "components", "analyses", "reports", "pages", "app"];

/** For each room, the rooms that it must not import. */
const directions = ROOMS.slice(0, -1).map((room, index) => ({
  files: [`src/${room}/**`],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            regex: `^\\.\\./.*\\b(${ROOMS.slice(index + 1).join("|")})/`,
            message: `Imports point one way: ${ROOMS.join(" ← ")}.`,
          },
        ],
      },
    ],
  },
}));

export default defineConfig(
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  hooks.configs.flat.recommended,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } },
    rules: {
      // Texts of events are shown as text and nothing else.
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Show text as text." },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "max-lines": ["error", 400],
    },
  },
  directions,
  { files: ["eslint.config.js"], ...ts.configs.disableTypeChecked },
);

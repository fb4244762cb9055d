import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

/** The rooms of src/: a room may import the ones before it. */
const ROOMS = ["api", "format", "scope", "charts", "components", "analyses", "reports", "pages", "app"];

/** wouter decodes the search, and URLSearchParams would decode it again. */
const DECODES_TWICE = {
  regex: "^wouter$",
  importNames: ["useSearch", "useSearchParams"],
  message: "Take useSearch of scope/address: wouter's decodes the address twice.",
};

/** For each room, what it must not import: the rooms after it, and what decodes an address twice. */
const directions = ROOMS.map((room, index) => {
  const later = ROOMS.slice(index + 1).join("|");
  const upwards = {
    regex: `^\\.\\./.*\\b(${later})/`,
    message: `Imports point one way: ${ROOMS.join(" ← ")}.`,
  };
  return {
    files: [`src/${room}/**`],
    rules: {
      "no-restricted-imports": ["error", { patterns: later ? [DECODES_TWICE, upwards] : [DECODES_TWICE] }],
    },
  };
});

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

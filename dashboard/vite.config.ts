import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const OUT = "../src/tallystick/dashboard";

/** Beside each text file its compressed form, so that the server need not compress anything. */
function compressed() {
  let folder = "";
  return {
    name: "compressed",
    apply: "build" as const,
    configResolved(config: { root: string; build: { outDir: string } }) {
      folder = join(resolve(config.root, config.build.outDir), "assets");
    },
    closeBundle() {
      for (const name of readdirSync(folder)) {
        const file = join(folder, name);
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
      }
    },
  };
}

/** Where Vite writes its list of the bundled packages' licences. */
const LISTED = "bundled-licenses.md";
const SWAGGER = [
  "swagger-ui-bundle.js",
  "swagger-ui.css",
  "favicon-32x32.png",
  "LICENSE",
  "NOTICE",
  "swagger-ui-bundle.js.LICENSE.txt",
];

/** The files of Swagger UI that /docs uses, beside the dashboard. */
function swagger() {
  let folder = "";
  return {
    name: "swagger",
    apply: "build" as const,
    configResolved(config: { root: string; build: { outDir: string } }) {
      folder = join(resolve(config.root, config.build.outDir), "swagger");
    },
    closeBundle() {
      mkdirSync(folder, { recursive: true });
      for (const name of SWAGGER) {
        copyFileSync(join("node_modules", "swagger-ui-dist", name), join(folder, name));
      }
    },
  };
}

/** One text with the licences of everything that the build holds: bundled packages, which Vite lists, and Swagger UI. */
function licences() {
  let folder = "";
  return {
    name: "licences",
    apply: "build" as const,
    configResolved(config: { root: string; build: { outDir: string } }) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      const listed = join(folder, LISTED);
      const swaggerUi = join("node_modules", "swagger-ui-dist");
      const { version } = JSON.parse(readFileSync(join(swaggerUi, "package.json"), "utf8")) as {
        version: string;
      };
      const own = ["NOTICE", "LICENSE", "swagger-ui-bundle.js.LICENSE.txt"].map((name) =>
        readFileSync(join(swaggerUi, name), "utf8").trim(),
      );
      const parts = [
        "Licenses of the packages in Tallystick's dashboard and in its page /docs",
        readFileSync(listed, "utf8")
          .replace(/^# Licenses\s*/, "")
          .trim(),
        `## swagger-ui-dist - ${version} (Apache-2.0)`,
        ...own,
      ];
      writeFileSync(join(folder, "third-party-licenses.txt"), parts.join("\n\n") + "\n");
      rmSync(listed);
    },
  };
}

// Files are served below /ui/, so that no page or asset takes a path of the API or of a dialect.
export default defineConfig({
  base: "/ui/",
  plugins: [react(), compressed(), swagger(), licences()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    cssCodeSplit: false, // one stylesheet: the order of its rules must not depend on which page is opened first
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: URLs
    target: "es2022",
    license: { fileName: LISTED },
  },
  server: { proxy: { "/v1": process.env["TALLYSTICK_URL"] ?? "http://127.0.0.1:8000" } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

import curl from "./snippets/curl.txt?raw";
import go from "./snippets/go.txt?raw";
import javascript from "./snippets/javascript.txt?raw";
import kotlin from "./snippets/kotlin.txt?raw";
import php from "./snippets/php.txt?raw";
import python from "./snippets/python.txt?raw";
import swift from "./snippets/swift.txt?raw";
import website from "./snippets/website.txt?raw";

/** What the Install page shows for each way of sending events. tests/docs/test_install_snippets.py runs the texts. */
export interface Snippet {
  id: string;
  label: string;
  template: string;
  /** What to do with the text. */
  use: string;
}

export const SNIPPETS: readonly Snippet[] = [
  {
    id: "website",
    label: "Website",
    template: website,
    use: "Put this into the head of every page. It sends page views by itself, without cookies.",
  },
  { id: "curl", label: "curl", template: curl, use: "Run this in a shell." },
  {
    id: "python",
    label: "Python",
    template: python,
    use: "The standard library is enough; any HTTP client will do.",
  },
  {
    id: "javascript",
    label: "JavaScript",
    template: javascript,
    use: "For browsers, Deno, Bun, and for Node.js 18 or newer (save it as event.mjs).",
  },
  { id: "go", label: "Go", template: go, use: "Save it as main.go, then: go run main.go" },
  { id: "php", label: "PHP", template: php, use: "Save it as event.php, then: php event.php" },
  {
    id: "swift",
    label: "iOS",
    template: swift,
    use: "Swift for iOS and macOS. App Transport Security wants an https:// address.",
  },
  {
    id: "kotlin",
    label: "Android",
    template: kotlin,
    use: "Kotlin for Android and the JVM. Android 9 and newer want an https:// address.",
  },
];

export interface Filling {
  origin: string;
  /** The path of the browser snippet. */
  script: string;
  /** Empty: the site of the key, or the server's `default`. */
  site: string;
  /** Empty: the server wants none. */
  key: string;
}

/** Texts that need no escaping in any of the languages. */
const PLAIN = /^[\p{L}\p{N} ._~:/@+=-]+$/u;

/** The template with everything filled in; a line about a site or key that there is not is left out. */
export function filled(template: string, { origin, script, site, key }: Filling): string {
  const values: Record<string, string> = {
    origin,
    script,
    site: site === "" || PLAIN.test(site) ? site : "YOUR_SITE",
    key: key === "" || PLAIN.test(key) ? key : "YOUR_WRITE_KEY",
  };
  return template
    .trimEnd()
    .split("\n")
    .filter((line) => ["site", "key"].every((name) => values[name] !== "" || !line.includes(`{{${name}}}`)))
    .join("\n")
    .replace(/\{\{(\w+)\}\}/g, (whole, name: string) => values[name] ?? whole);
}

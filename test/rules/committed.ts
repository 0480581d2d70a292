import { type Rule, everyMatch, planted } from "./rule.ts";

/** Spelt in parts, so that this file keeps its own rules. */
const joined = (...parts: string[]) => parts.join("");
/** Invented people, whose homes tests and docs may name. */
const invented = ["alice", "bob", "ditto", "user", "you"];
const places = ["work", `home/(?!(?:${invented.join("|")})/)[a-z][\\w-]*`, "Users/\\w+", "root", "workspace", "builds", "tmp/scratch"];
const machinePath = new RegExp(`(?<![\\w.~$}/*-])/(?:${places.join("|")})/[\\w.]`, "g");
const outsideProject = new RegExp(joined("\\.\\./", "shared/|\\bissues ", "show\\b"), "g");

export const machineRule: Rule = {
  name: "no committed file names a path of somebody's machine or a place outside the project",
  check: (files) => [
    ...everyMatch(files, () => true, (text) => text, machinePath, (found) => `names the path ${found}…`),
    ...everyMatch(files, () => true, (text) => text, outsideProject, (found) => `names ${found}, which is no part of the project`),
  ],
  canaries: [
    [planted("src/vfs/a.ts", joined('const a = "/', 'home/mweber/x";'))],
    [planted("docs/a.md", joined("see /", "work/main"))],
    [planted("docs/a.md", joined("see `../", "shared/x.md`"))],
  ],
  innocents: [[planted("docs/a.md", "~/.local/share, /home/alice/.config, /var/lib/dittofs, src/root/a.ts, /tmp/x, /export")]],
};

const registry = new RegExp(
  joined("https?://(?:registry", "\\.[\\w.-]+|[\\w.-]*\\b(?:artifactory|nexus|verdaccio|npm-proxy|npm-mirror)\\b[\\w.-]*|localhost:4873)|_auth", "Token|\\bregistry\\s*=\\s*[\"']?http"),
  "gi",
);

export const registryRule: Rule = {
  name: "no committed file names a package registry's host",
  check: (files) => everyMatch(files, () => true, (text) => text, registry, (found) => `names the registry ${found}`),
  canaries: [
    [planted("bun.lock", joined('"https://registry', '.npmjs.org/a/-/a-1.tgz"'))],
    [planted(".npmrc", joined("//x/:_auth", "Token=abc"))],
    [planted("bunfig.toml", joined('[install]\nregistry = "http', '://10.0.0.1/"'))],
  ],
  innocents: [[planted("src/telemetry/a.ts", "const registry = new Registry(); // metrics registry")]],
};

const secret = new RegExp(
  ["-----BEGIN [A-Z ]*PRIVATE", " KEY|\\bAKIA", "[0-9A-Z]{16}\\b|\\bgh[pousr]_", "\\w{20,}|\\bglpat-", "[\\w-]{20,}|\\bxox[abpr]-", "\\d+-|\\bnpm_", "\\w{30,}|\\bsk-", "[A-Za-z0-9-]{24,}"].join(""),
  "g",
);

export const secretRule: Rule = {
  name: "no committed file holds a secret",
  check: (files) => everyMatch(files, () => true, (text) => text, secret, (found) => `looks like a secret: ${found.slice(0, 12)}…`),
  canaries: [
    [planted("a.pem", joined("-----BEGIN RSA PRIVATE", " KEY-----"))],
    [planted("a.md", joined("AKIA", "ABCDEFGHIJKLMNOP"))],
    [planted("a.md", joined("ghp_", "a".repeat(36)))],
  ],
  innocents: [[planted("a.md", "a task-force, risk-free, sha512-4MIFXHmctH2EhAxLXm2")]],
};

const formatPage = /\bdocs\/[\w./-]+?\.md\b/g;
const link = /\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)/g;

export const pagesRule: Rule = {
  name: "every page of docs/ that code, comments or docs name is there",
  check(files) {
    const known = new Set(files.map((file) => file.path));
    const isFolder = (path: string) => files.some((file) => file.path.startsWith(`${path.replace(/\/$/, "")}/`));
    const judged = files.filter((file) => !file.path.startsWith("test/rules/"));
    const found = judged.flatMap((file) =>
      [...file.text.matchAll(formatPage)].filter(([page]) => !known.has(page)).map(([page]) => `${file.path}: names ${page}, which does not exist`),
    );
    for (const file of judged.filter((each) => each.path.endsWith(".md"))) {
      const folder = file.path.includes("/") ? file.path.replace(/\/[^/]+$/, "/") : "";
      for (const [, target] of file.text.matchAll(link)) {
        const path = new URL(target as string, `file:///${folder}`).pathname.slice(1);
        if (!known.has(path) && !isFolder(path)) found.push(`${file.path}: links to ${target}, which does not exist`);
      }
    }
    return found;
  },
  canaries: [
    [planted("src/cache/a.ts", "/** Layout: docs/formats/log.md */")],
    [planted("README.md", "[a](docs/a.md)")],
    [planted("docs/a.md", "[a](b.md#x)")],
  ],
  innocents: [
    [planted("src/cache/a.ts", "/** Layout: docs/formats/log.md */"), planted("docs/formats/log.md", "")],
    [planted("docs/a.md", "[a](decisions/) [b](../README.md#x) [c](https://example.org/x.md) [d](#here)"), planted("docs/decisions/b.md", ""), planted("README.md", "")],
  ],
};

import { codeOf, commentsOf } from "./blank.ts";
import { type Rule, everyMatch, isTypeScript, lineOf, planted } from "./rule.ts";

/** In code that runs, and in tests. */
const [fileLinesMax, testLinesMax] = [300, 600];
export const purposeLinesMax = 15;

const isOurs = (path: string) => isTypeScript(path) && /^(?:src|scripts|test)\//.test(path);
const lineCount = (text: string) => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);

const linesMaxOf = ({ path }: { readonly path: string }): number => (isTypeScript(path) && /^(?:src|scripts)\//.test(path) ? fileLinesMax : testLinesMax);

export const fileLengthRule: Rule = {
  name: `no file of code is longer than ${fileLinesMax} lines, and none of the tests than ${testLinesMax}`,
  check: (files) =>
    files
      .filter((file) => (isOurs(file.path) || /\.[ch]$/.test(file.path)) && lineCount(file.text) > linesMaxOf(file))
      .map((file) => `${file.path}: ${lineCount(file.text)} lines, more than ${linesMaxOf(file)}`),
  canaries: [[planted("src/vfs/a.ts", "\n".repeat(fileLinesMax + 1))], [planted("test/unit/a.ts", "\n".repeat(testLinesMax + 1))], [planted("test/bench/a.c", "\n".repeat(testLinesMax + 1))]],
  innocents: [[planted("src/vfs/a.ts", "\n".repeat(fileLinesMax)), planted("test/unit/a.ts", "\n".repeat(testLinesMax))]],
};

const kebab = /^\.?[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/;

export const nameRule: Rule = {
  name: "names of files and folders are kebab-case",
  check: (files) =>
    files
      .filter((file) => /^(?:src|scripts|test)\//.test(file.path))
      .filter((file) => file.path.split("/").some((part) => part !== "README.md" && !kebab.test(part)))
      .map((file) => `${file.path}: the name is not kebab-case`),
  canaries: ["src/vfs/fileSystem.ts", "src/vfs/File.ts", "src/my_layer/a.ts", "test/unit/vfs/a b.test.ts"].map((path) => [planted(path, "")]),
  innocents: ["src/vfs/file-system.ts", "test/unit/vfs/a.test.ts", "test/e2e/README.md", "src/main.ts"].map((path) => [planted(path, "")]),
};

/** The comment a file opens with, in lines without its marks; empty where there is none. */
function openingComment(text: string): readonly string[] {
  const block = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1];
  const lines = block === undefined ? (/^(?:\/\/[^\n]*\n)+/.exec(text)?.[0] ?? "").split("\n") : block.split("\n");
  return lines.map((line) => line.replace(/^\s*(?:\*|\/\/)?\s?/, "").trim()).filter((line) => line !== "");
}

export const purposeRule: Rule = {
  name: `every layer and its parts are entered by an index.ts that opens with its purpose, in ${purposeLinesMax} lines or fewer`,
  check(files) {
    const paths = new Map(files.map((file) => [file.path, file.text]));
    const folders = new Set(
      files.filter((file) => /^src\/(?:[^/]+\/){1,2}[^/]+$/.test(file.path) && isTypeScript(file.path)).map((file) => file.path.replace(/\/[^/]+$/, "")),
    );
    return [...folders].flatMap((folder) => {
      const text = paths.get(`${folder}/index.ts`);
      if (text === undefined) return [`${folder}: has no index.ts`];
      const comment = openingComment(text);
      if (comment.join(" ").length < 20) return [`${folder}/index.ts: does not open with a comment of purpose`];
      return comment.length > purposeLinesMax ? [`${folder}/index.ts: the opening comment has ${comment.length} lines`] : [];
    });
  },
  canaries: [
    [planted("src/vfs/a.ts", "")],
    [planted("src/metadata/sqlite/a.ts", "")],
    [planted("src/vfs/index.ts", 'export * from "./a.ts";')],
    [planted("src/vfs/index.ts", "/** vfs */\n")],
    [planted("src/vfs/index.ts", `/**\n${" * a line of purpose\n".repeat(purposeLinesMax + 1)} */\n`)],
  ],
  innocents: [
    [planted("src/vfs/index.ts", "/** Protocol-neutral semantics of files. */\n")],
    [planted("src/vfs/index.ts", "// Protocol-neutral semantics of files.\n")],
    [planted("src/main.ts", ""), planted("src/cli/commands/config/show.ts", "")],
  ],
};

/** Spelt in two halves, so that this file keeps its own rule. */
const markers = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"];

export const markerRule: Rule = {
  name: "no markers of work left for later",
  check: (files) =>
    everyMatch(files, (path) => path !== "bun.lock", (text) => text, new RegExp(`\\b(?:${markers.join("|")})\\b`, "g"), (found) => `says ${found}; do it or leave it out`),
  canaries: [
    ...markers.map((marker) => [planted("src/vfs/a.ts", `// ${marker}: later`)]),
    [planted("README.md", `${markers[0]} write this`)],
  ],
  innocents: [[planted("scripts/a.sh", "mktemp -d /tmp/a.XXXXXX; todo=1")]],
};

const ticket = /(?:^|[\s(,])#\d{1,6}\b|\b(?:issue|ticket|bug|pull request|PR|MR)s? #?\d{1,6}\b|\bgithub\.com\/[\w.-]+\/[\w.-]+\/(?:issues|pull)\/\d+/gim;
const isProse = (path: string) => path.endsWith(".md");
const isCode = (path: string) => /\.(?:ts|tsx|c|h)$/.test(path);

export const ticketRule: Rule = {
  name: "comments and docs name no tickets",
  check: (files) => [
    ...everyMatch(files, isProse, (text) => text, ticket, (found) => `names the ticket ${found}`),
    ...everyMatch(files, isCode, commentsOf, ticket, (found) => `names the ticket ${found}`),
  ],
  canaries: [
    [planted("src/vfs/a.ts", "// see #12")],
    [planted("src/vfs/a.ts", "/* issue 12 */")],
    [planted("docs/a.md", "Fixed in PR #3.")],
    [planted("docs/a.md", "https://github.com/a/b/issues/7")],
  ],
  innocents: [
    [planted("src/vfs/a.ts", 'const a = "#12"; // RFC 1813 §3.3.7, step 2')],
    [planted("docs/a.md", "# 1 Title\n\n`#base/a.ts`, MS-SMB2 3.3.5.9")],
  ],
};

const isTest = (path: string) => path.startsWith("test/") && path.endsWith(".test.ts");

export const focusRule: Rule = {
  name: "no test is focused, and a skipped one says why",
  check(files) {
    const found = everyMatch(files, isTest, codeOf, /\b(?:test|it|describe)\s*\.\s*only\b/g, (text) => `${text} leaves the other tests out`);
    for (const file of files.filter((each) => isTest(each.path))) {
      const lines = file.text.split("\n");
      for (const match of codeOf(file.text).matchAll(/\b(?:test|it|describe)(?:\s*\.\s*\w+)*\s*\.\s*(skip|skipIf|todo|todoIf|if)\b/g)) {
        const line = lineOf(file.text, match.index);
        const near = lines.slice(Math.max(0, line - 3), line + 1).join("\n");
        if (!/\b(?:skipped|skips|skip reason|needs|only on|without)\b/i.test(near)) found.push(`${file.path}:${line}: ${match[0]} without a reason next to it`);
      }
    }
    return found;
  },
  canaries: [
    [planted("test/unit/a.test.ts", 'test.only("x", () => {});')],
    [planted("test/unit/a.test.ts", 'describe.skip("x", () => {});')],
    [planted("test/unit/a.test.ts", 'test.skipIf(x)("y", () => {});')],
  ],
  innocents: [
    [planted("test/unit/a.test.ts", 'test.skipIf(notRoot)("mounts (needs root)", () => {});')],
    [planted("test/unit/a.test.ts", '// skipped: needs root\ntest.skip("x", () => {});')],
  ],
};

export const sleepRule: Rule = {
  name: "tests wait for events or run a simulated clock; they don't sleep",
  check: (files) =>
    everyMatch(
      files,
      (path) => path.startsWith("test/") && isTypeScript(path) && !/^test\/(?:support|bench)\//.test(path),
      codeOf,
      /\bBun\s*\.\s*sleep(?:Sync)?\b|(?<![.\w$])(?:setTimeout|setInterval)\b|["'](?:node:)?timers\/promises["']/g,
      (found) => `uses ${found}`,
    ),
  canaries: [
    [planted("test/unit/a.test.ts", "await Bun.sleep(10);")],
    [planted("test/unit/a.test.ts", "await new Promise((r) => setTimeout(r, 10));")],
  ],
  innocents: [[planted("test/support/wait.ts", "setTimeout(f, 1);")], [planted("test/unit/a.test.ts", "jest.setTimeout(5); // setTimeout")]],
};

/** The helpers themselves, and servers that outlive a test file and clean up after themselves. */
const makesDirectories = /^test\/(?:bench\/|support\/(?:temporary|postgres|radosgw)\.ts$)/;

export const temporaryRule: Rule = {
  name: "tests get temporary directories from test/support/temporary.ts, which removes them",
  check: (files) =>
    everyMatch(
      files,
      (path) => path.startsWith("test/") && isTypeScript(path) && !makesDirectories.test(path),
      codeOf,
      /\bmkdtemp(?:Sync)?\b/g,
      (found) => `uses ${found}; what it makes stays`,
    ),
  canaries: [[planted("test/unit/a.test.ts", 'const d = mkdtempSync("/a");')], [planted("test/support/a.ts", 'await fs.mkdtemp("/a");')]],
  innocents: [[planted("test/support/temporary.ts", 'mkdtempSync("/a");')], [planted("src/control/a.ts", 'mkdtempSync("/a");')], [planted("test/unit/a.test.ts", '// mkdtempSync')]],
};

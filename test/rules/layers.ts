import { posix } from "node:path";
import { codeOf } from "./blank.ts";
import { type Rule, type SourceFile, isTypeScript, layerOf, lineOf, planted } from "./rule.ts";

/**
 * Which layers each folder under `src/` may import besides itself. `"*"`: all. A part of `api/` is a layer of its own. This
 * table and the one in docs/ARCHITECTURE.md say the same.
 */
export const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  telemetry: ["base"],
  model: ["base"],
  wire: ["base"],
  config: ["base"],
  metadata: ["base", "model", "telemetry"],
  blocks: ["base", "model", "telemetry"],
  cache: ["base", "model", "telemetry"],
  history: ["base", "model", "telemetry"],
  check: ["base", "model", "telemetry"],
  vfs: ["base", "model", "telemetry"],
  net: ["base", "telemetry"],
  auth: ["base", "model", "wire", "telemetry"],
  nfs: ["base", "telemetry", "model", "wire", "vfs", "auth", "net"],
  smb: ["base", "telemetry", "model", "wire", "vfs", "auth", "net"],
  dokku: ["base", "telemetry"],
  control: ["base", "telemetry", "model", "config", "vfs", "dokku"],
  "api/contract": ["base"],
  "api/client": ["base", "api/contract"],
  "api/server": ["base", "telemetry", "control", "api/contract"],
  cli: ["base", "config", "api/contract", "api/client"],
  console: ["api/contract", "api/client"],
  app: ["*"],
  "main.ts": ["app", "cli"],
};

/** Layers that are bytes in, bytes out: sockets, files and databases are somebody else's. */
const withoutInputOutput = new Set(["model", "wire", "vfs", "nfs", "smb"]);
const inputOutputModule =
  /^(?:bun:sqlite|bun:ffi|(?:node:)?(?:fs|fs\/promises|net|dgram|tls|http|http2|https|child_process|worker_threads|cluster|dns|readline))$/;

export interface ImportText {
  readonly specifier: string;
  readonly line: number;
}

const importHead = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*|\bnew\s+URL\s*\(\s*)(?=["'])/g;

/** Every module a file names: static, dynamic, for side effects, and in types. */
export function importsOf(file: SourceFile): readonly ImportText[] {
  const code = codeOf(file.text);
  const found: ImportText[] = [];
  for (const match of code.matchAll(importHead)) {
    const start = match.index + match[0].length;
    const end = code.indexOf(code[start] as string, start + 1);
    const specifier = file.text.slice(start + 1, end);
    // The address of something else than a module of ours.
    if (match[0].startsWith("new") && !/^[.#]/.test(specifier)) continue;
    found.push({ specifier, line: lineOf(code, start) });
  }
  return found;
}

/** The layer a path under `src/` (without `src/`) belongs to. */
function layerOfTarget(path: string): string {
  const parts = path.split("/");
  return parts[0] === "api" && parts.length > 2 ? `api/${parts[1]}` : (parts[0] as string);
}

function judge(file: SourceFile, from: string, { specifier }: ImportText, packages: ReadonlySet<string>): string | null {
  if (specifier.startsWith(".")) {
    const target = posix.normalize(posix.join(posix.dirname(file.path), specifier));
    if (!/\.\w+$/.test(specifier)) return `imports ${specifier} without its file ending`;
    if (target === "package.json") return null;
    const targetLayer = target.startsWith("src/") ? layerOfTarget(target.slice(4)) : null;
    return targetLayer === from ? null : `leaves its layer by the relative import ${specifier}; write #layer/file.ts`;
  }
  if (specifier.startsWith("#")) {
    const to = layerOfTarget(specifier.slice(1));
    if (!/\.\w+$/.test(specifier)) return `imports ${specifier} without its file ending`;
    if (to === from) return `imports its own layer as ${specifier}; within a layer imports are relative`;
    const allowed = layers[from] ?? [];
    return allowed.includes("*") || allowed.includes(to) ? null : `${from} may not import ${to} (${specifier})`;
  }
  if (withoutInputOutput.has(from) && inputOutputModule.test(specifier)) return `${from} does no input or output, but imports ${specifier}`;
  if (/^(?:node|bun):/.test(specifier) || specifier === "bun") return null;
  const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  return packages.has(name) ? null : `imports ${specifier}, which package.json does not list under dependencies`;
}

function dependencies(files: readonly SourceFile[]): ReadonlySet<string> {
  const manifest = files.find((file) => file.path === "package.json");
  if (manifest === undefined) return new Set();
  const parsed = JSON.parse(manifest.text) as { dependencies?: Record<string, string> };
  return new Set(Object.keys(parsed.dependencies ?? {}));
}

export const layerRule: Rule = {
  name: "a layer imports only what the architecture allows, through #layer/file.ts",
  check(files) {
    const packages = dependencies(files);
    const found: string[] = [];
    for (const file of files) {
      const folder = layerOf(file.path);
      if (folder === null || !isTypeScript(file.path)) continue;
      const from = folder === "main.ts" ? folder : layerOfTarget(file.path.slice(4));
      if (layers[from] === undefined) {
        found.push(`${file.path}: ${from} is no layer of the table in test/rules/layers.ts`);
        continue;
      }
      for (const text of importsOf(file)) {
        const sentence = judge(file, from, text, packages);
        if (sentence !== null) found.push(`${file.path}:${text.line}: ${sentence}`);
      }
    }
    return found;
  },
  canaries: [
    [planted("src/wire/xdr.ts", 'import { assert } from "#model/ids.ts";')],
    [planted("src/vfs/ops/read.ts", 'import type { Store } from "#metadata/sqlite/store.ts";')],
    [planted("src/vfs/ops/read.ts", 'type S = import("#cache/log.ts").Log;')],
    [planted("src/nfs/v3/read.ts", 'import { x } from "#smb/tree.ts";')],
    [planted("src/smb/tree.ts", 'import { x } from "#nfs/status.ts";')],
    [planted("src/nfs/mount.ts", 'import { x } from "#control/shares.ts";')],
    [planted("src/vfs/a.ts", 'import { x } from "../model/ids.ts";')],
    [planted("src/vfs/a.ts", 'import { x } from "../../test/support/x.ts";')],
    [planted("src/vfs/a.ts", 'import { x } from "./b";')],
    [planted("src/vfs/a.ts", 'import { x } from "#model/ids";')],
    [planted("src/vfs/a.ts", 'import { x } from "#vfs/b.ts";')],
    [planted("src/vfs/a.ts", 'export * from "#cache/index.ts";')],
    [planted("src/vfs/a.ts", 'const x = await import("#cache/index.ts");')],
    [planted("src/vfs/a.ts", 'import "#cache/index.ts";')],
    [planted("src/wire/a.ts", 'import { readFileSync } from "node:fs";')],
    [planted("src/net/a.ts", 'import x from "left-pad";')],
    [planted("src/console/a.ts", 'import x from "#api/server/x.ts";')],
    [planted("src/api/contract/a.ts", 'import x from "../server/x.ts";')],
    [planted("src/misc/a.ts", "export {};")],
    [planted("src/vfs/a.ts", 'new Worker(new URL("../cache/worker.ts", import.meta.url));')],
    [planted("src/main.ts", 'import x from "#vfs/index.ts";')],
  ],
  innocents: [
    [planted("src/vfs/a.ts", '// from "#cache/index.ts"\nconst s = \'import x from "#cache/index.ts"\';\nimport { x } from "./ops/b.ts";')],
    [planted("src/vfs/ops/read.ts", 'import { x } from "../access/mode.ts"; import type { FileId } from "#model/ids.ts";')],
    [planted("src/vfs/a.ts", 'const a = new URL("http://example.org"); const b = Array.from("abc");')],
    [planted("src/app/a.ts", 'import x from "#metadata/sqlite/index.ts";')],
    [planted("src/cli/a.ts", 'import x from "#api/client/x.ts"; import y from "node:fs";')],
    [planted("test/unit/a.ts", 'import x from "../../src/vfs/a.ts";')],
    [planted("package.json", '{"dependencies":{"pino":"1"}}'), planted("src/telemetry/a.ts", 'import pino from "pino";')],
  ],
};

/** The table as the architecture page prints it has to be the table that is checked. */
export const layerTableRule: Rule = {
  name: "the layer table of docs/ARCHITECTURE.md is the one that is checked",
  check(files) {
    const page = files.find((file) => file.path === "docs/ARCHITECTURE.md");
    if (page === undefined) return [];
    const rows = new Map<string, string>();
    for (const match of page.text.matchAll(/^\| `([\w/.]+?)\/?` \|[^\n]*\| ([^|\n]*) \|$/gm)) rows.set(match[1] as string, match[2] as string);
    const found: string[] = [];
    for (const [layer, allowed] of Object.entries(layers)) {
      const wanted = allowed.length === 0 ? "nothing" : allowed[0] === "*" ? "everything" : allowed.join(" ");
      const printed = rows.get(layer);
      if (printed !== wanted) found.push(`docs/ARCHITECTURE.md: the row of ${layer} says "${printed}", the rule "${wanted}"`);
    }
    return found;
  },
  canaries: [[planted("docs/ARCHITECTURE.md", "| `base/` | things | everything |\n")]],
  innocents: [[planted("docs/other.md", "")]],
};

export const importMapRule: Rule = {
  name: "package.json maps #layer/* to src/layer/* for every folder of src",
  check(files) {
    const manifest = files.find((file) => file.path === "package.json");
    if (manifest === undefined) return [];
    const map = (JSON.parse(manifest.text) as { imports?: Record<string, string> }).imports ?? {};
    const folders = new Set(files.filter((file) => /^src\/[^/]+\//.test(file.path)).map((file) => layerOf(file.path) as string));
    const wrong = Object.entries(map).filter(([from, to]) => !from.endsWith("/*") || to !== `./src/${from.slice(1)}`);
    return [
      ...wrong.map(([from, to]) => `package.json: ${from} is mapped to ${to}`),
      ...[...folders].filter((folder) => map[`#${folder}/*`] === undefined).map((folder) => `package.json: imports lacks #${folder}/*`),
    ];
  },
  canaries: [
    [planted("package.json", '{"imports":{}}'), planted("src/base/a.ts", "")],
    [planted("package.json", '{"imports":{"#base/*":"./src/vfs/*"}}'), planted("src/base/a.ts", "")],
  ],
  innocents: [[planted("package.json", '{"imports":{"#base/*":"./src/base/*"}}'), planted("src/base/a.ts", ""), planted("src/main.ts", "")]],
};

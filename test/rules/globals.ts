import { codeOf } from "./blank.ts";
import { type Rule, everyMatch, isTypeScript, layerOf, planted } from "./rule.ts";

const sourcesOutside = (allowed: readonly string[]) => (path: string) => {
  const layer = layerOf(path);
  return isTypeScript(path) && layer !== null && !allowed.includes(layer);
};

/** Time, chance and environment as globals: base wraps them in Clock and Random, config reads the environment. */
const ambient = new RegExp(
  [
    /\b(?:process|Bun)\s*\.\s*env\b/,
    /\bimport\.meta\.env\b/,
    /\bDate\s*\.\s*now\b/,
    /\bnew\s+Date\s*(?:\(\s*\)|(?!\s*\())/,
    /\bperformance\s*\.\s*(?:now|timeOrigin)\b/,
    /\bprocess\s*\.\s*hrtime\b/,
    /\bBun\s*\.\s*(?:nanoseconds|sleep|sleepSync)\b/,
    /\bMath\s*\.\s*random\b/,
    /\b(?:randomBytes|randomUUID|randomInt|getRandomValues|randomUUIDv7)\b/,
    /(?:(?<![.\w$])|\bglobalThis\s*\.\s*)(?:setTimeout|setInterval|setImmediate)\b/,
    /["'](?:node:)?timers(?:\/promises)?["']/,
  ]
    .map((part) => part.source)
    .join("|"),
  "g",
);

export const ambientRule: Rule = {
  name: "time, chance and the environment are handed in: their globals appear in base and config only",
  check: (files) =>
    everyMatch(files, sourcesOutside(["base", "config"]), codeOf, ambient, (found) => `uses ${found}; take a Clock or Random, or an option of config`),
  canaries: [
    "const a = process.env.HOME;",
    "const a = Bun.env.HOME;",
    "const a = Date.now();",
    "const a = new Date();",
    "const a = new Date;",
    "const a = performance.now();",
    "const a = Math.random();",
    "setTimeout(() => {}, 1);",
    "globalThis.setInterval(f, 1);",
    "setImmediate(f);",
    "await Bun.sleep(1);",
    "const a = `${Date.now()}`;",
    'import { randomBytes } from "node:crypto";',
  ].map((text) => [planted("src/vfs/a.ts", text)]),
  innocents: [
    [planted("src/base/clock.ts", "setTimeout(f, 1); Date.now();")],
    [planted("src/config/load.ts", "const e = Bun.env;")],
    [planted("src/vfs/a.ts", '// Date.now() is not for us\nconst s = "Math.random()"; const d = new Date(5); socket.setTimeout(3);')],
    [planted("test/support/a.ts", "setTimeout(f, 1);")],
  ],
};

const hotFolders = new Set(["base", "wire", "net", "cache", "vfs", "nfs", "smb"]);

export const bigIntRule: Rule = {
  name: "no BigInt in the hot folders: 64-bit values are halves or numbers below 2^53",
  check: (files) =>
    everyMatch(
      files,
      (path) => isTypeScript(path) && hotFolders.has(layerOf(path) ?? ""),
      codeOf,
      /(?<![\w$.])(?:0[xob][\da-f_]+|\d[\d_]*)n\b|\bBigInt\b|\bBig(?:Ui|I)nt64Array\b|\b[gs]etBig(?:Ui|I)nt64\b/gi,
      (found) => `uses ${found} on a hot path; two halves or a number below 2^53 cost a tenth`,
    ),
  canaries: ["const a = 1n;", "const a = 0xffn;", "BigInt(3)", "view.getBigUint64(0)", "new BigInt64Array(1)"].map((text) => [
    planted("src/wire/a.ts", text),
  ]),
  innocents: [
    [planted("src/wire/a.ts", "// 1n\nconst a = 12; const b = x1n;")],
    [planted("src/metadata/sqlite/a.ts", "const a = 1n;")],
  ],
};

export const consoleRule: Rule = {
  name: "console appears in cli only: everything else logs through its Logger",
  check: (files) => everyMatch(files, sourcesOutside(["cli"]), codeOf, /(?<![.\w$])console\s*\.\s*\w+/g, (found) => `writes with ${found}`),
  canaries: [[planted("src/app/a.ts", 'console.log("x");')]],
  innocents: [[planted("src/cli/a.ts", 'console.log("x");')], [planted("src/app/a.ts", 'const a = "console.log"; this.console.log();')]],
};

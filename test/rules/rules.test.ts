import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { codeOf, commentsOf } from "./blank.ts";
import { machineRule, pagesRule, registryRule, secretRule } from "./committed.ts";
import { betterRecord, functionLengthRule, functionLinesAim, functionLinesRecord, functionsOf } from "./function-length.ts";
import { ambientRule, bigIntRule, consoleRule } from "./globals.ts";
import { importMapRule, importsOf, layerRule, layerTableRule } from "./layers.ts";
import { readProject } from "./project.ts";
import { type Rule, planted } from "./rule.ts";
import { fileLengthRule, focusRule, markerRule, nameRule, purposeRule, sleepRule, temporaryRule, ticketRule } from "./tidiness.ts";

// All sources are read; a machine that has other things to do takes its time.
setDefaultTimeout(60_000);

const rules: readonly Rule[] = [
  layerRule,
  layerTableRule,
  importMapRule,
  ambientRule,
  bigIntRule,
  consoleRule,
  fileLengthRule,
  functionLengthRule,
  nameRule,
  purposeRule,
  markerRule,
  ticketRule,
  focusRule,
  sleepRule,
  temporaryRule,
  machineRule,
  registryRule,
  secretRule,
  pagesRule,
];

const project = await readProject();

describe("the project", () => {
  test("was read whole", () => {
    const paths = new Set(project.map((file) => file.path));
    for (const path of ["package.json", "src/base/index.ts", "test/rules/rules.test.ts"]) expect(paths).toContain(path);
    expect([...paths].filter((path) => /(?:^|\/)(?:node_modules|\.git|dist)\//.test(path))).toEqual([]);
  });

  for (const rule of rules) test(rule.name, () => expect(rule.check(project)).toEqual([]));

  test("the record of the longest function is as low as it can be", () => {
    expect(betterRecord(project, functionLinesRecord)).toBeNull();
  });
});

describe("each rule", () => {
  for (const rule of rules) {
    test(`finds what is planted: ${rule.name}`, () => {
      expect(rule.canaries.length).toBeGreaterThan(0);
      for (const files of rule.canaries) expect({ files, found: rule.check(files).length > 0 }).toEqual({ files, found: true });
    });
    test(`leaves the innocent alone: ${rule.name}`, () => {
      expect(rule.innocents.length).toBeGreaterThan(0);
      for (const files of rule.innocents) expect({ files, found: rule.check(files) }).toEqual({ files, found: [] });
    });
  }

  test("the ratchet of function lengths asks for a lower record", () => {
    expect(betterRecord([planted("src/a/b.ts", "function f() {\n}")], functionLinesAim + 20)).toBe(functionLinesAim);
    expect(betterRecord([planted("src/a/b.ts", `function f() {${"\n".repeat(79)}}`)], 100)).toBe(80);
    expect(betterRecord([planted("src/a/b.ts", `function f() {${"\n".repeat(79)}}`)], 80)).toBeNull();
  });
});

describe("the reading of TypeScript", () => {
  test("tells code from comments and strings", () => {
    const text = 'const a = "x // y"; // note "z"\nconst b = /["/]/.test(a) ? `t ${a + `u ${"v"}`} w` : 4 / 2 / 1; /* c */ d();';
    expect(codeOf(text).replace(/ +/g, " ")).toBe('const a = " "; \nconst b = .test(a) ? ` ${a + ` ${" "}`} ` : 4 / 2 / 1; d();');
    expect(commentsOf(text).trim().replace(/ +/g, " ")).toBe('// note "z"\n /* c */');
    expect(codeOf(text).length).toBe(text.length);
  });

  test("finds imports of every form, with their lines", () => {
    const text = 'import a from "./a.ts";\nimport type { B } from \'./b.ts\';\nimport "./c.ts";\nexport * from "./d.ts";\ntype E = import("./e.ts").E;\nawait import("./f.ts");';
    expect(importsOf(planted("src/a/b.ts", text))).toEqual(["a", "b", "c", "d", "e", "f"].map((name, i) => ({ specifier: `./${name}.ts`, line: i + 1 })));
  });

  test("names functions and counts their lines", () => {
    const text =
      "export async function one(a: number): Promise<{ a: number }> {\n  if (a) {\n    b();\n  }\n}\n" +
      "class C extends D {\n  readonly e = 1;\n  private async two<T>(f: T) {\n    return 1;\n  }\n  get three(): number {\n  }\n}\n" +
      "const four = async (g: number): Promise<void> => {\n};\nconst five = { six() {} };\nwhile (x) {\n}\n";
    expect(functionsOf(text).map((span) => [span.name, span.line, span.lines])).toEqual([
      ["one", 1, 5],
      ["two", 8, 3],
      ["three", 11, 2],
      ["four", 14, 2],
      ["six", 16, 1],
    ]);
  });
});

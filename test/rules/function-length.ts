import { codeOf } from "./blank.ts";
import { type Rule, type SourceFile, isTypeScript, lineOf, planted } from "./rule.ts";

/** What a function of `src/` or `scripts/` should stay below. */
export const functionLinesAim = 60;
/** Lines of the longest function there is. It may only shrink: the rule asks for a lower number as soon as it can be. */
export const functionLinesRecord = 60;

export interface FunctionSpan {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

const statementWords = new Set(["if", "for", "while", "switch", "catch", "with", "else", "do", "try", "finally", "return", "await", "class", "interface"]);

/** For each closing bracket of the code the opening one, and the other way round. */
function pairs(code: string): Map<number, number> {
  const pair = new Map<number, number>();
  const open: number[] = [];
  for (let i = 0; i < code.length; i++) {
    const c = code[i] as string;
    if ("({[".includes(c)) open.push(i);
    else if (")}]".includes(c)) {
      const start = open.pop();
      if (start === undefined) continue;
      pair.set(i, start);
      pair.set(start, i);
    }
  }
  return pair;
}

/** What stands before a brace, back to the statement's or member's beginning, with the insides of brackets left out. */
function headerOf(code: string, brace: number, pair: ReadonlyMap<number, number>): string {
  let header = "";
  for (let i = brace - 1; i >= 0; i--) {
    const c = code[i] as string;
    const start = pair.get(i);
    if (c === "}") {
      // A type literal in a return type belongs to the header; any other block ends it.
      if (start === undefined || !/[:|&<,]\s*$/.test(code.slice(Math.max(0, start - 8), start))) break;
      header = `{}${header}`;
      i = start;
    } else if ((c === ")" || c === "]") && start !== undefined) {
      header = `${code[start]}${c}${header}`;
      i = start;
    } else if (";{([,".includes(c)) break;
    else header = c + header;
  }
  return header.trim();
}

/** The name of the function a brace opens the body of, or null if it opens something else. */
function functionName(header: string): string | null {
  if (header.endsWith("=>")) return /([\w$]+)\s*(?:=|:[^=]*=)\s*(?:async\s*)?(?:\(\)|[\w$]+)[^=]*=>$/.exec(header)?.[1] ?? "(arrow)";
  const call = /([\w$#]+)\s*(?:<[^()]*>)?\s*\(\)\s*(?::[^=]*)?$/.exec(header);
  if (call === null || /[:<|&,]$/.test(header)) return null;
  const first = /^[\w$]+/.exec(header)?.[0] ?? "";
  const name = call[1] as string;
  return statementWords.has(name) || (statementWords.has(first) && first !== "return") ? null : name;
}

/** Every function with a body in braces; `lines` counts from the brace to its end, nested functions included. */
export function functionsOf(text: string): readonly FunctionSpan[] {
  const code = codeOf(text);
  const pair = pairs(code);
  const found: FunctionSpan[] = [];
  for (let i = code.indexOf("{"); i !== -1; i = code.indexOf("{", i + 1)) {
    const end = pair.get(i);
    if (end === undefined) continue;
    const name = functionName(headerOf(code, i, pair));
    if (name === null) continue;
    const line = lineOf(code, i);
    found.push({ name, line, lines: lineOf(code, end) - line + 1 });
  }
  return found;
}

function judgedFunctions(files: readonly SourceFile[]): readonly { readonly path: string; readonly span: FunctionSpan }[] {
  return files
    .filter((file) => isTypeScript(file.path) && /^(?:src|scripts)\//.test(file.path))
    .flatMap((file) => functionsOf(file.text).map((span) => ({ path: file.path, span })));
}

export const functionLengthRule: Rule = {
  name: `no function is longer than the record of ${functionLinesRecord} lines`,
  check: (files) =>
    judgedFunctions(files)
      .filter(({ span }) => span.lines > functionLinesRecord)
      .map(({ path, span }) => `${path}:${span.line}: ${span.name} has ${span.lines} lines, more than ${functionLinesRecord}`),
  canaries: [
    `function f() {${"\n".repeat(functionLinesRecord)}}`,
    `class A { async g<T>(a: T): Promise<{ b: T }> {${"\n".repeat(functionLinesRecord)}} }`,
    `const f = (a: number): void => {${"\n".repeat(functionLinesRecord)}};`,
    `class A { constructor(a = {}) {${"\n".repeat(functionLinesRecord)}} }`,
    `const o = { get a() {${"\n".repeat(functionLinesRecord)}} };`,
    `if (x) { f(async () => {${"\n".repeat(functionLinesRecord)}}); }`,
  ].map((text) => [planted("src/vfs/a.ts", text)]),
  innocents: [
    `class A {${"\n".repeat(900)}}`,
    `export const table: Record<string, () => void> = {${"\n".repeat(900)}};`,
    `interface A { a(): { b: number${"\n".repeat(900)} } }`,
    `// function f() {${"\n".repeat(functionLinesRecord)}// }`,
    `if (a(b)) {${"\n".repeat(900)}}`,
    `for (const a of b()) {${"\n".repeat(900)}}`,
  ].map((text) => [planted("src/vfs/a.ts", text)]),
};

/** The ratchet: null while the record is what it should be, else the number to write there. */
export function betterRecord(files: readonly SourceFile[], record: number): number | null {
  const longest = Math.max(0, ...judgedFunctions(files).map(({ span }) => span.lines));
  const wanted = Math.max(functionLinesAim, longest);
  return wanted < record ? wanted : null;
}

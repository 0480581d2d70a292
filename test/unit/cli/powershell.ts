/** As much of PowerShell's grammar as a completion script of ours has: throws where PowerShell would refuse it. */

export interface Token {
  readonly kind: "text" | "variable" | "word" | "operator" | "bracket";
  readonly text: string;
}

const quotes = "'\u2018\u2019\u201a\u201b";
const opened: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/** about_Quoting_Rules, about_Operators: texts unescaped, comments and blanks left out, brackets in pairs. */
export function tokens(script: string): readonly Token[] {
  const found: Token[] = [];
  const open: string[] = [];
  for (let at = 0; at < script.length; ) {
    const rest = script.slice(at);
    const plain = /^(?:\s+|#[^\n]*)/.exec(rest)?.[0];
    if (plain !== undefined) {
      at += plain.length;
      continue;
    }
    const [kind, length, text] = next(rest);
    if (kind === "bracket") pair(open, text, at);
    found.push({ kind, text });
    at += length;
  }
  if (open.length > 0) throw new Error(`${open.join(" ")} is never closed`);
  return found;
}

function next(rest: string): readonly [Token["kind"], number, string] {
  if (quotes.includes(rest[0] as string)) return single(rest);
  const double = /^"(?:[^"`]|`.)*"/s.exec(rest)?.[0];
  if (double !== undefined) return ["text", double.length, double.slice(1, -1)];
  const bracket = /^(?:@\(|@\{|[(){}[\]])/.exec(rest)?.[0];
  if (bracket !== undefined) return ["bracket", bracket.length, bracket.slice(-1)];
  const variable = /^\$\w+/.exec(rest)?.[0];
  if (variable !== undefined) return ["variable", variable.length, variable];
  const word = /^-?[A-Za-z0-9][\w.-]*/.exec(rest)?.[0];
  if (word !== undefined) return ["word", word.length, word];
  const operator = /^(?:::|[|=,.;])/.exec(rest)?.[0];
  if (operator === undefined) throw new Error(`what is ${JSON.stringify(rest.slice(0, 40))}?`);
  return ["operator", operator.length, operator];
}

/** A quote of any shape ends it, unless two stand together. */
function single(rest: string): readonly ["text", number, string] {
  let text = "";
  for (let at = 1; at < rest.length; at++) {
    if (!quotes.includes(rest[at] as string)) text += rest[at];
    else if (at + 1 < rest.length && quotes.includes(rest[at + 1] as string)) text += rest[at++];
    else return ["text", at + 1, text];
  }
  throw new Error(`the text ${rest.slice(0, 40)} never ends`);
}

function pair(open: string[], bracket: string, at: number): void {
  const partner = opened[bracket];
  if (partner === undefined) open.push(bracket);
  else if (open.pop() !== partner) throw new Error(`${bracket} at ${at} closes nothing`);
}

/** The hashtable that is assigned to a variable: keys with their arrays of texts. PowerShell takes keys that differ in case for one, and refuses. */
export function table(all: readonly Token[], variable: string): ReadonlyMap<string, readonly string[]> {
  const entries = new Map<string, readonly string[]>();
  const folded = new Set<string>();
  let at = all.findIndex((token, i) => token.kind === "variable" && token.text === variable && all[i + 1]?.text === "=" && all[i + 2]?.text === "{") + 3;
  if (at < 3) throw new Error(`no table ${variable}`);
  while (all[at]?.text !== "}") {
    const key = all[at];
    if (key?.kind !== "text" || all[at + 1]?.text !== "=" || all[at + 2]?.text !== "(") throw new Error(`what is ${JSON.stringify(all.slice(at, at + 3))} in ${variable}?`);
    if (folded.has(key.text.toLowerCase())) throw new Error(`${variable} has the key ${key.text} twice`);
    folded.add(key.text.toLowerCase());
    const values: string[] = [];
    for (at += 3; all[at]?.kind === "text"; at += all[at + 1]?.text === "," ? 2 : 1) values.push((all[at] as Token).text);
    if (all[at]?.text !== ")" || all[at - 1]?.text === ",") throw new Error(`the array of ${key.text} does not end`);
    entries.set(key.text, values);
    at++;
  }
  return entries;
}

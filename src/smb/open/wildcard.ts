/**
 * Whether names match an expression with wildcards (MS-FSA 2.1.4.4), in any case: `*` and `?`, and what clients make of old DOS
 * expressions: `<` up to the last dot, `>` one character or the end, `"` a dot or the end.
 */
export function matcher(expression: string): (name: string) => boolean {
  if (expression === "*" || expression === "*.*") return () => true;
  const pattern = expression.toUpperCase();
  if (!/[*?<>"]/.test(pattern)) return (name) => name.toUpperCase() === pattern;
  return (name) => matches(pattern, name.toUpperCase());
}

/** States are positions in the pattern; all that are reachable are followed at once, so no pattern takes more than its length times the name's. */
function matches(pattern: string, name: string): boolean {
  const lastDot = name.lastIndexOf(".");
  let states = closure(pattern, new Set([0]), name.length === 0, false);
  for (let i = 0; i < name.length; i++) {
    const char = name[i]!;
    const next = new Set<number>();
    for (const at of states) {
      const p = pattern[at];
      if (p === undefined) continue;
      if (p === "*") next.add(at);
      // It takes everything up to the last dot, that dot included only where another follows it.
      else if (p === "<") {
        if (lastDot < 0 || i <= lastDot) next.add(at);
        if (char === "." && i === lastDot) next.add(at + 1);
      } else if (p === "?" || p === char || (p === '"' && char === ".") || (p === ">" && char !== ".")) next.add(at + 1);
    }
    states = closure(pattern, next, i === name.length - 1, name[i + 1] === ".");
    if (states.size === 0) return false;
  }
  return states.has(pattern.length);
}

/** Positions reachable without a character: behind `*` and `<` always, behind `>` and `"` at the end (`>` at a dot too). */
function closure(pattern: string, states: Set<number>, atEnd: boolean, beforeDot: boolean): Set<number> {
  for (const at of states) {
    const p = pattern[at];
    if (p === "*" || p === "<" || (p === ">" && (atEnd || beforeDot)) || (p === '"' && atEnd)) states.add(at + 1);
  }
  return states;
}

import { fold } from "#model/fold.ts";

/** Which names of a directory are wanted (MS-FSA 2.1.4.4), whatever their case. */
export interface Expression {
  /** The one name that matches, in whatever case; null where there may be others. */
  readonly literal: string | null;
  matches(name: string): boolean;
}

const everything: Expression = { literal: null, matches: () => true };

/**
 * `*` and `?`, and what clients make of old DOS expressions: `<` everything up to the last dot, `>` one character or none in front
 * of a dot and at the end, `"` a dot or the end.
 */
export function expressionOf(pattern: string): Expression {
  if (pattern === "*") return everything;
  const folded = fold(pattern);
  if (!hasWildcards(folded)) return { literal: pattern, matches: (name) => fold(name) === folded };
  const rest = folded.slice(1);
  if (folded[0] === "*" && !hasWildcards(rest)) return { literal: null, matches: (name) => fold(name).endsWith(rest) };
  const start = folded.slice(0, -1);
  if (folded.at(-1) === "*" && !hasWildcards(start)) return { literal: null, matches: (name) => fold(name).startsWith(start) };
  const machine = new Machine(folded);
  return { literal: null, matches: (name) => machine.matches(fold(name)) };
}

function hasWildcards(text: string): boolean {
  return /[*?<>"]/.test(text);
}

const star = 0x2a;
const question = 0x3f;
const dosStar = 0x3c;
const dosQuestion = 0x3e;
const dosDot = 0x22;
const dot = 0x2e;

/**
 * States are positions in the pattern; all that are reachable are followed at once, so that no pattern costs more than its length
 * times the name's.
 */
class Machine {
  private readonly pattern: string;
  private now: Uint8Array;
  private next: Uint8Array;

  constructor(pattern: string) {
    this.pattern = pattern;
    this.now = new Uint8Array(pattern.length + 1);
    this.next = new Uint8Array(pattern.length + 1);
  }

  matches(name: string): boolean {
    const end = this.pattern.length;
    const lastDot = name.lastIndexOf(".");
    this.now.fill(0);
    this.now[0] = 1;
    for (let i = 0; i < name.length; i++) {
      const unit = name.charCodeAt(i);
      this.skip(false, unit === dot);
      if (!this.step(unit, lastDot < 0 || i <= lastDot)) return false;
    }
    this.skip(true, false);
    return this.now[end] === 1;
  }

  /** Goes over what takes no character here: `*` and `<` always, `>` in front of a dot and at the end, `"` at the end. */
  private skip(atEnd: boolean, beforeDot: boolean): void {
    const { pattern, now } = this;
    for (let at = 0; at < pattern.length; at++) {
      if (now[at] === 0) continue;
      const p = pattern.charCodeAt(at);
      if (p === star || p === dosStar || (p === dosQuestion && (atEnd || beforeDot)) || (p === dosDot && atEnd)) now[at + 1] = 1;
    }
  }

  /** Takes one character; false where no state is left. */
  private step(unit: number, upToLastDot: boolean): boolean {
    const { pattern, now, next } = this;
    let any = false;
    next.fill(0);
    for (let at = 0; at < pattern.length; at++) {
      if (now[at] === 0) continue;
      const p = pattern.charCodeAt(at);
      const stays = p === star || (p === dosStar && upToLastDot);
      const goes = p === question || p === unit || (p === dosDot && unit === dot) || (p === dosQuestion && unit !== dot);
      if (stays) next[at] = 1;
      if (goes) next[at + 1] = 1;
      any ||= stays || goes;
    }
    this.now = next;
    this.next = now;
    return any;
  }
}

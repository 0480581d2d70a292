import type { Expression } from "./wildcard.ts";

/** Where an open directory's listing stands. */
export class Scan {
  readonly expression: Expression;
  /** Entries up to this one were given or passed over. */
  cookie = 0;
  verifier: Uint8Array = new Uint8Array(8);
  ended = false;
  /** It gave an entry at least: none at all is another status than no more. */
  gave = false;

  constructor(expression: Expression) {
    this.expression = expression;
  }
}

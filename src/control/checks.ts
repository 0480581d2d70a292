import { didYouMean } from "#config/suggest.ts";
import { ControlError, type FieldError } from "./errors.ts";

/** Gathers what is wrong with the fields of one request, so that all of it is said at once. Fields go by their names in the API. */
export class Faults {
  private readonly found: FieldError[] = [];

  add(field: string, message: string): void {
    this.found.push({ field, message });
  }

  /** `message` null: nothing is wrong. */
  check(field: string, message: string | null): void {
    if (message !== null) this.add(field, message);
  }

  get list(): readonly FieldError[] {
    return this.found;
  }

  /** Throws where something is wrong with `what`. */
  refuse(what: string): void {
    if (this.found.length === 0) return;
    const said = this.found.map(({ field, message }) => `${field} ${message}`).join("; ");
    throw new ControlError("invalid_value", `${capital(what)}: ${said}.`, { hint: "Correct the fields named.", fields: this.found });
  }
}

export const nameBytesMax = 64;
const textCharactersMax = 1024;
const idMax = 4294967294;

/** Names of users, groups, stores and netgroups. */
export function nameFault(name: string): string | null {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$/.test(name)) return null;
  return `must be letters, digits, _ . @ -, at most ${nameBytesMax}, not beginning with a dot or dash`;
}

/** Free text; a database keeps neither U+0000 nor half a surrogate pair. */
export function textFault(text: string, charactersMax: number = textCharactersMax): string | null {
  if (text.length > charactersMax) return `must have ${charactersMax} characters at most`;
  return text.includes("\u0000") || !text.isWellFormed() ? "must be well-formed text without U+0000" : null;
}

/** User and group ids; 2^32 - 1 means "no id" to the system calls that take them. */
export function idFault(id: number): string | null {
  return wholeFault(id, 0, idMax);
}

export function wholeFault(value: number, min: number, max: number): string | null {
  return Number.isSafeInteger(value) && value >= min && value <= max ? null : `must be a whole number from ${min} to ${max}`;
}

export function oneOfFault(value: string, words: readonly string[]): string | null {
  if (words.includes(value)) return null;
  return `must be one of ${words.join(", ")}${meant(value, words)}`;
}

/** "; did you mean x?" or nothing. */
export function meant(given: string, words: readonly string[]): string {
  const near = didYouMean(given, words);
  return near === null ? "" : `; did you mean ${near}?`;
}

export function notFound(what: string, name: string, names: readonly string[]): ControlError {
  const near = didYouMean(name, names);
  return new ControlError("not_found", `There is no ${what} ${shown(name)}.`, near === null ? {} : { hint: `Did you mean ${near}?` });
}

/** A name that came from outside, safe to show. */
export function shown(name: string): string {
  return /^[\p{L}\p{N}_.@/-]{1,255}$/u.test(name) ? name : JSON.stringify(name.slice(0, 255));
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Refuses a change that was decided on another version than there is. */
export function checkVersion(ifVersion: number | null, row: { readonly version: number }, what: string): void {
  if (ifVersion === null || ifVersion === row.version) return;
  throw new ControlError("changed_meanwhile", `${capital(what)} was changed meanwhile: it is at version ${row.version}, not ${ifVersion}.`, { hint: "Look at it again and repeat the change if it is still wanted." });
}

export function alreadyExists(what: string, name: string, hint?: string): ControlError {
  return new ControlError("already_exists", `There is already a ${what} ${shown(name)}.`, hint === undefined ? {} : { hint });
}

import { assert } from "#base/assert.ts";

/** Longest key, and longest part of one between slashes. */
export const keyLengthMax = 1024;
const keyPartLengthMax = 200;

const part = /^[a-zA-Z0-9._-]+$/;

/** Keys are made by the program: a bad one is a bug. */
export function checkKey(key: string): void {
  assert(key.length <= keyLengthMax, "a key is too long");
  for (const piece of key.split("/")) {
    assert(part.test(piece) && piece.length <= keyPartLengthMax && piece !== "." && piece !== "..", `a key must not have the part "${piece}"`);
  }
}

/** Whether a name found in a store can be a key of ours. */
export function isKey(name: string): boolean {
  return name.length <= keyLengthMax && name.split("/").every((piece) => part.test(piece) && piece.length <= keyPartLengthMax && piece !== "." && piece !== "..");
}

/** A prefix is a key cut anywhere. */
export function checkPrefix(prefix: string): void {
  if (prefix === "") return;
  checkKey(prefix.endsWith("/") ? prefix.slice(0, -1) : `${prefix}x`);
}

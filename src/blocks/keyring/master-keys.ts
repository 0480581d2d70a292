/**
 * Master keys: what an operator keeps, in a file or an environment variable, and without which nothing that is encrypted can be read.
 * One line each, `ID = KEY`, the key being 32 bytes in base64; the first is the one in use, those behind it open what was wrapped with
 * them before. Empty lines and those that begin with # are left out; semicolons end a line, too.
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { StoreFault, StoreRefusedError } from "#model/block-store.ts";

export interface MasterKeys {
  /** Where they come from, for people: a path, or the name of a variable. */
  readonly source: string;
  /** Id of the one in use. */
  readonly current: string;
  readonly byId: ReadonlyMap<string, KeyObject>;
}

export const masterIdLengthMax = 64;
const masterKeyBytes = 32;
const keysMax = 100;
const idShape = /^[a-zA-Z0-9._-]+$/;

/** Reads what a file or a variable says. Throws StoreRefusedError, which repeats of it only the ids of keys that are whole: on any other line the key may stand where the id belongs. */
export function parseMasterKeys(text: string, source: string): MasterKeys {
  const byId = new Map<string, KeyObject>();
  let current: string | null = null;
  const lines = text.split(/[\n;]/);
  for (let i = 0; i < lines.length; i++) {
    const line = (lines[i] as string).trim();
    if (line === "" || line.startsWith("#")) continue;
    const wrong = (what: string) => new StoreRefusedError(StoreFault.key, `${source}, line ${i + 1}: ${what}. A line is ID = KEY, the key being ${masterKeyBytes} bytes in base64; make one with: dittofs store block new-key`);
    const at = line.indexOf("=");
    const id = at < 0 ? "" : line.slice(0, at).trim();
    if (!idShape.test(id) || id.length > masterIdLengthMax) throw wrong(`the id of a key is up to ${masterIdLengthMax} letters, digits, dots, dashes and underscores`);
    if (byId.has(id)) throw wrong(`the id ${id} is there twice`);
    const given = line.slice(at + 1).trim();
    const key = Buffer.from(given, "base64");
    if (key.byteLength !== masterKeyBytes || key.toString("base64") !== given) throw wrong(`the key is not ${masterKeyBytes} bytes in base64, or has no id before it`);
    if (byId.size === keysMax) throw wrong(`there are more than ${keysMax} keys`);
    byId.set(id, createSecretKey(key));
    current ??= id;
  }
  if (current === null) throw new StoreRefusedError(StoreFault.key, `${source} has no master key in it; make one with: dittofs store block new-key`);
  return { source, current, byId };
}

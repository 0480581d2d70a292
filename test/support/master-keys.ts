import { type MasterKeys, parseMasterKeys } from "#blocks/keyring/index.ts";
import { SeededRandom } from "./seeded-random.ts";

/** A line of a file of master keys: always the same key for an id. */
export function masterKeyLine(id: string): string {
  const seed = [...id].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) >>> 0;
  const random = new SeededRandom(seed);
  return `${id} = ${Buffer.from(Array.from({ length: 32 }, () => random.below(256))).toString("base64")}`;
}

/** Master keys by these ids, the first in use. */
export function masterKeys(...ids: readonly string[]): MasterKeys {
  return parseMasterKeys(ids.map(masterKeyLine).join("\n"), "/etc/dittofs/master.keys");
}

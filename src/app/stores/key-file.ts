import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type MasterKeys, parseMasterKeys } from "#blocks/index.ts";
import { processEnvironment } from "#config/index.ts";
import type { StorePlan } from "#control/index.ts";
import { StoreFault, StoreRefusedError } from "#model/block-store.ts";

const fileBytesMax = 64 * 1024;

/** The master keys a block store names, as they stand there at this moment; null where it names none. Throws StoreRefusedError. */
export function masterKeysOf({ config }: StorePlan): MasterKeys | null {
  const path = config["encryption_key_file"];
  if (typeof path === "string") return parseMasterKeys(readPrivate(path), path);
  const variable = config["encryption_key_env"];
  if (typeof variable !== "string") return null;
  const text = processEnvironment()[variable];
  if (text === undefined || text === "") throw refused(`the environment of the server has no variable ${variable} with the master keys`);
  return parseMasterKeys(text, `the variable ${variable}`);
}

function refused(what: string): StoreRefusedError {
  return new StoreRefusedError(StoreFault.key, what);
}

/** Keys that others can read are no secret: whoever may read the file may read all content. */
function readPrivate(path: string): string {
  const fd = openKeyFile(path);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw refused(`${path} is no file; the master keys are lines of text in a file of mode 0600`);
    if ((stat.mode & 0o077) !== 0) throw refused(`${path} has mode ${(stat.mode & 0o777).toString(8).padStart(4, "0")}: others than its owner can get at the master keys. Run: chmod 600 '${path}'. If others may have read it, add a new key in front and run: dittofs store block rotate-key`);
    if (stat.size > fileBytesMax) throw refused(`${path} has ${stat.size} bytes, more than the ${fileBytesMax} of a file of master keys`);
    const bytes = new Uint8Array(fileBytesMax);
    return new TextDecoder().decode(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)));
  } finally {
    closeSync(fd);
  }
}

function openKeyFile(path: string): number {
  try {
    // A pipe put there must not hold up the server.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw refused(`the file of master keys ${path} is not there. Put it back; if there is no content yet, make one with: dittofs store block new-key '${path}'`);
    throw refused(code === "EACCES" ? `this server's user may not read the file of master keys ${path}; change its owner` : message);
  }
}

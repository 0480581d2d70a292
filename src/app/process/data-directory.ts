import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, replaceFile } from "./durable-files.ts";

/**
 * Layout of a data directory:
 *
 *     FORMAT              "dittofs data directory, layout 1"
 *     dittofs.pid         process id of the server that holds it; locked while one does, empty when none does
 *     dittofs.json        what that server says about itself, for `status`
 *     controlplane.db     the control plane, unless the configuration puts it elsewhere
 *     controlplane.secret what its tokens are signed and its secrets encrypted with, where nobody gave one
 *     admin-password      the first administrator's password, until it is changed
 *     stores/NAME/SHARE/  a share in a store that somebody added without a path
 *     shares/NAME/        one share of the built-in stores; NAME is the share's name without its first /, other bytes than [A-Za-z0-9._-] as %XX
 *       metadata.db       names, attributes, content map
 *       log/ packs/       write-ahead log and packs being filled (under cache.path/NAME where that is set)
 *       blocks/           the block store; OWNER in it says whose (see claim.ts)
 *       ephemeral/        what a share with metadata in memory keeps on disk while it lives, apart from what lasts
 */
const layoutVersion = 1;

/** A directory that this program can't use as its data directory: what an operator has to put right. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/** What the system says when a directory can't be made, for those who asked for it. */
const unmakable: Record<string, string> = {
  EEXIST: "there is something else that is no directory",
  ENOTDIR: "a part of that path is no directory",
  EACCES: "this user may not make it",
  EPERM: "this user may not make it",
  EROFS: "the file system is mounted read-only",
  ENOENT: "that file system makes no directories",
};

/** Makes the directory and those above it. */
export function makeDataDirectory(path: string): void {
  try {
    makeDirectory(path);
  } catch (error) {
    const why = unmakable[(error as NodeJS.ErrnoException).code ?? ""];
    if (why === undefined) throw error;
    throw new DataDirectoryError(`the data directory ${path} can't be made: ${why}; name another with --data-dir`);
  }
}

/** Makes the directory where it is new, and refuses one of a layout this program doesn't know. The caller holds its lock. */
export function checkLayout(dataDirectory: string, make = true): void {
  const path = join(dataDirectory, "FORMAT");
  if (existsSync(path)) {
    const found = /^dittofs data directory, layout (\d{1,9})$/m.exec(readFileSync(path, "utf8"))?.[1];
    if (found === undefined) throw new DataDirectoryError(`${path} is not what DittoFS writes there; is ${dataDirectory} the data directory?`);
    if (Number(found) > layoutVersion) {
      throw new DataDirectoryError(`${dataDirectory} has layout ${found}, made by a newer DittoFS; this one knows layouts up to ${layoutVersion}. Nothing was changed.`);
    }
    return;
  }
  if (existsSync(join(dataDirectory, "shares"))) {
    throw new DataDirectoryError(`${dataDirectory} has shares but no FORMAT file to say how they are laid out. Nothing was changed.`);
  }
  if (make) replaceFile(path, `dittofs data directory, layout ${layoutVersion}\n`);
}

/** A share's name as a directory name: no two names give the same one. */
export function safeName(share: string): string {
  let out = "";
  for (const byte of new TextEncoder().encode(share.replace(/^\//, ""))) {
    const character = String.fromCharCode(byte);
    const plain = /[A-Za-z0-9_-]/.test(character) || (character === "." && out !== "");
    out += plain ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  // Longer than a directory name may be only where most bytes had to be spelt out; then the parts become a path.
  return out.length <= 255 ? out : (out.match(/.{1,200}/g) ?? [out]).join("+/");
}

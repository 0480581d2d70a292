import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { exists, fileTooBig, invalid, stale } from "../errors.ts";
import type { MakeOptions } from "../attributed.ts";
import type { AttributeRequest, CreateHow, Created } from "../file-system.ts";
import { unchanged, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { make, plainly, type Plan, Taken } from "./make.ts";
import { setattr } from "./setattr.ts";

/** Deny by default: a client that names no mode gets a file for its owner alone. */
const modeDefault = 0o600;
/** An exclusive create carries no attributes: nobody but the owner gets at the file before the SETATTR that follows. */
const modeExclusive = 0;
const noAttributes: AttributeRequest = {};

/** CREATE (RFC 1813 §3.3.8). */
export function create(share: Share, who: Credentials, directory: FileId, name: string, how: CreateHow, options: MakeOptions = plainly): Promise<Created | FsError> {
  const request = how.mode === "exclusive" ? noAttributes : how.attributes;
  const size = request.size;
  if (size !== undefined && !(size >= 0)) return Promise.resolve(invalid);
  if (size !== undefined && size > fileSizeMax) return Promise.resolve(fileTooBig);
  const plan: Plan = {
    type: FileType.regular,
    mode: how.mode === "exclusive" ? modeExclusive : modeDefault,
    request,
    verifier: how.mode === "exclusive" ? how.verifier.slice() : null,
    target: null,
    major: 0,
    minor: 0,
    options,
  };
  return untilApplied(async (attempt) => {
    const made = await make(share, who, directory, name, plan, attempt);
    if (made instanceof Taken) return useExisting(share, who, directory, made.id, how);
    if (made === null || made instanceof FsError || size === undefined || size === 0) return made;
    return sized(share, who, made, size);
  });
}

/** A new file that is wanted longer than empty. Its maker may give it the size whatever its mode. */
async function sized(share: Share, who: Credentials, made: Created, size: number): Promise<Created | FsError> {
  const mtime = made.inode.mtime;
  const change = await setattr(share, who, made.inode.id, who.uid === made.inode.uid ? { size, mtime } : { size }, null);
  if (change instanceof FsError) return change;
  return { inode: change.after ?? made.inode, directory: made.directory };
}

/** The name is taken: by what this very call made before, by a file that will do, or by something that won't. */
async function useExisting(share: Share, who: Credentials, directory: FileId, id: FileId, how: CreateHow): Promise<Created | FsError | null> {
  if (how.mode === "guarded") return exists;
  const inode = await share.inodes.load(id);
  const parent = await share.inodes.load(directory);
  if (parent === null) return stale;
  if (inode === null) return null;
  if (inode.type !== FileType.regular) return exists;
  if (how.mode === "exclusive" && !sameVerifier(inode, how.verifier)) return exists;
  // A retry may arrive before what it repeats is durable, and after a restart before it is published.
  await share.made(id);
  const outcome = (await share.publication?.published()) ?? null;
  if (outcome !== null) return outcome;
  const size = how.mode === "exclusive" ? undefined : how.attributes.size;
  if (size === undefined) return { inode, directory: unchanged(parent) };
  const change = await setattr(share, who, id, { size }, null);
  // Deleted since: then there is no such name, and the file is made.
  if (change === stale) return null;
  if (change instanceof FsError) return change;
  return { inode: change.after ?? inode, directory: unchanged(share.inodes.hit(directory) ?? parent) };
}

function sameVerifier(inode: Inode, verifier: Uint8Array): boolean {
  const kept = inode.createVerifier;
  if (kept === null || kept.length !== verifier.length) return false;
  for (let i = 0; i < kept.length; i++) if (kept[i] !== verifier[i]) return false;
  return true;
}

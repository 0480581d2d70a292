import { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import { inherited } from "../access/attributes.ts";
import { type Changer, changerOf, EntryChange, mayChangeEntries } from "../access/permissions.ts";
import { type Node, nobody } from "../cache/node.ts";
import { denied, stale } from "../errors.ts";
import type { AttributeRequest, Created } from "../file-system.ts";
import { judgeNewName } from "../names.ts";
import { changeOf, madeBy, Operation } from "../operation.ts";
import type { Share } from "../share.ts";
import { maySearch } from "./lookup.ts";

/** Size a directory reports. */
export const directoryBytes = 4096;

/** What an operation wants to be made. */
export interface Plan {
  readonly type: FileType;
  /** Permission bits where the request has none. */
  readonly mode: number;
  readonly request: AttributeRequest;
  readonly verifier: Uint8Array | null;
  readonly target: Uint8Array | null;
  readonly major: number;
  readonly minor: number;
}

/** The name is taken. */
export class Taken {
  readonly id: FileId;
  constructor(id: FileId) {
    this.id = id;
  }
}

/** The directory in which `who` wants to make or remove `name`, if names may be looked up in it. */
export async function openDirectory(share: Share, who: Credentials, id: FileId): Promise<Node | FsError> {
  const node = share.inodes.node(id) ?? (await share.inodes.loadNode(id));
  if (node === null || node.inode === null) return stale;
  return maySearch(node.inode, who) ?? node;
}

/** Why `who` may not change the directory's entries, or null. */
export function refuseChange(directory: Inode, who: Changer, change: EntryChange): FsError | null {
  return mayChangeEntries(directory, who, change) ? null : denied;
}

/** What a new entry for an object of this type does to a directory. */
export function addingOf(type: FileType): EntryChange {
  return type === FileType.directory ? EntryChange.addDirectory : EntryChange.addFile;
}

/**
 * One try to make a new object under a new name; null: decide anew. That the name is taken is said before it is asked whether
 * one might be made: a client's `mkdir -p` relies on it.
 */
export async function make(
  share: Share,
  who: Credentials,
  directory: FileId,
  name: string,
  plan: Plan,
  attempt: number,
): Promise<Created | Taken | FsError | null> {
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  const node = await openDirectory(share, who, directory);
  if (node instanceof FsError) return node;
  const refusedName = judgeNewName(name);
  if (refusedName !== null) return refusedName;
  const entry = await share.names.load(node, name);
  if (entry.id !== nobody) return new Taken(entry.id);
  const parent = node.inode;
  if (parent === null) return null;
  const refused = refuseChange(parent, changer, addingOf(plan.type));
  if (refused !== null) return refused;
  const inode = newInode(share, changer, parent, plan);
  const operation = new Operation(
    [
      { is: "live", id: directory },
      { is: "direntAbsent", parent: directory, name },
    ],
    [
      { do: "insertInode", inode },
      { do: "insertDirent", parent: directory, name, child: inode.id },
      { do: "touchDirectory", id: directory, at: inode.ctime, linksDelta: plan.type === FileType.directory ? 1 : 0 },
    ],
  );
  const touched = await share.apply(changer, operation, attempt);
  if (touched === null || touched instanceof FsError) return touched;
  return { inode: madeBy(share, touched, inode.id) ?? inode, directory: changeOf(share, touched, directory) };
}

function newInode(share: Share, who: Changer, parent: Inode, plan: Plan): Inode {
  const { request, type } = plan;
  const at = share.clock.now();
  const { mode, gid } = inherited(parent, who, type, request, request.mode ?? plan.mode);
  const mtime = request.mtime instanceof Time ? request.mtime : at;
  return new Inode({
    id: fileId(share.store.draw()),
    type,
    mode: type === FileType.symlink ? 0o777 : mode,
    links: type === FileType.directory ? 2 : 1,
    // Only the superuser gives files away; from others the wish is left out, as Linux does.
    uid: who.superuser ? (request.uid ?? who.uid) : who.uid,
    gid,
    size: type === FileType.directory ? directoryBytes : (plan.target?.length ?? 0),
    used: 0,
    deviceMajor: plan.major,
    deviceMinor: plan.minor,
    atime: request.atime instanceof Time ? request.atime : at,
    mtime,
    ctime: at,
    birth: at,
    change: 0,
    attributeVersion: 0,
    contentSequence: 0,
    mtimeSequence: 0,
    parent: type === FileType.directory ? parent.id : 0,
    generation: share.generation,
    createVerifier: plan.verifier,
    target: plan.target,
  });
}

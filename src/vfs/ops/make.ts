import type { Maybe } from "#base/brand.ts";
import { Time } from "#base/time.ts";
import type { Change as StoreChange } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import { XattrName } from "#model/inode-flags.ts";
import { dosFlags, inherited } from "../access/attributes.ts";
import { type Changer, changerOf, EntryChange, mayChangeEntries } from "../access/permissions.ts";
import { type Node, nobody } from "../cache/node.ts";
import { denied, stale } from "../errors.ts";
import type { MakeOptions } from "../attributed.ts";
import type { AttributeRequest, Created } from "../file-system.ts";
import { after } from "../maybe.ts";
import { judgeNewName } from "../names.ts";
import { changeOf, madeBy, Operation } from "../operation.ts";
import type { Share } from "../share.ts";
import { maySearch } from "./lookup.ts";
import { type NewSecurity, securityOfNew } from "./security.ts";
import { judgeXattrs } from "./xattr.ts";

/** Size a directory reports. */
export const directoryBytes = 4096;

const noChanges: readonly StoreChange[] = [];

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
  readonly options: MakeOptions;
}

/** Made as NFS makes things. */
export const plainly: MakeOptions = {};

/** The name is taken. */
export class Taken {
  readonly id: FileId;
  constructor(id: FileId) {
    this.id = id;
  }
}

/** The directory in which `who` wants to make or remove `name`, if names may be looked up in it. */
export function openDirectory(share: Share, who: Credentials, id: FileId): Maybe<Node | FsError> {
  return after(share.inodes.node(id) ?? share.inodes.loadNode(id), (node) => {
    if (node === null || node.inode === null) return stale;
    return maySearch(node.inode, who) ?? node;
  });
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
  const opened = openDirectory(share, who, directory);
  const node = opened instanceof Promise ? await opened : opened;
  if (node instanceof FsError) return node;
  const refusedName = judgeNewName(name) ?? judgeXattrs(plan.options.xattrs);
  if (refusedName !== null) return refusedName;
  const caseInsensitive = plan.options.caseInsensitive === true;
  const found = caseInsensitive ? share.names.loadFolded(node, name) : share.names.load(node, name);
  const entry = found instanceof Promise ? await found : found;
  if (entry !== null && entry.id !== nobody) return new Taken(entry.id);
  const parent = node.inode;
  if (parent === null) return null;
  const refused = refuseChange(parent, changer, addingOf(plan.type));
  if (refused !== null) return refused;
  const bare = newInode(share, changer, parent, plan);
  const security = securityOfNew(parent, bare, plan.options);
  const inode = security === null ? bare : bare.with({ mode: security.mode });
  const operation = new Operation(
    [
      { is: "live", id: directory },
      caseInsensitive ? { is: "foldAbsent", parent: directory, name, except: null } : { is: "direntAbsent", parent: directory, name },
    ],
    [
      { do: "insertInode", inode },
      ...xattrChanges(inode, plan.options, security),
      { do: "insertDirent", parent: directory, name, child: inode.id },
      { do: "touchDirectory", id: directory, at: inode.ctime, linksDelta: plan.type === FileType.directory ? 1 : 0 },
    ],
  );
  const touched = await share.apply(changer, operation, attempt);
  if (touched === null || touched instanceof FsError) return touched;
  return { inode: madeBy(share, touched, inode.id) ?? inode, directory: changeOf(share, touched, directory) };
}

function xattrChanges({ id, ctime: at }: Inode, { xattrs }: MakeOptions, security: NewSecurity | null): readonly StoreChange[] {
  if (xattrs === undefined && security === null) return noChanges;
  const changes: StoreChange[] = [];
  for (const { name, value } of xattrs ?? []) changes.push({ do: "setXattr", id, name, value: value.slice(), at });
  if (security !== null) changes.push({ do: "setXattr", id, name: XattrName.security, value: security.value, at });
  return changes;
}

export function newInode(share: Share, who: Changer, parent: Inode, plan: Plan): Inode {
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
    birth: request.birth ?? at,
    change: 0,
    attributeVersion: 0,
    contentSequence: 0,
    mtimeSequence: 0,
    parent: type === FileType.directory ? parent.id : 0,
    generation: share.generation,
    createVerifier: plan.verifier,
    target: plan.target,
    flags: request.flags === undefined ? 0 : dosFlags(request.flags),
  });
}

import type { Maybe } from "#base/brand.ts";
import { timeAfter } from "#base/time.ts";
import { Right } from "#model/acl.ts";
import type { Condition } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { type Inode, isStream, type Xattr } from "#model/inode.ts";
import { XattrName, xattrBytesMax, xattrFlag, xattrFlags, xattrNameBytesMax, xattrsMax } from "#model/inode-flags.ts";
import { type Changer, changerOf, passesModes, Permission, permissions, refuseReader } from "../access/permissions.ts";
import type { MakeOptions, XattrChange } from "../attributed.ts";
import { denied, fileTooBig, invalid, nameTooLong, noSpace, notPermitted, stale } from "../errors.ts";
import type { Change } from "../file-system.ts";
import { after } from "../maybe.ts";
import { utf8Bytes } from "../names.ts";
import { Operation, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";

const none: readonly Xattr[] = [];
/** What an attribute weighs in the cache besides its value. */
const overheadBytes = 256;

/** The inode whose attributes these are: of a stream its owner. */
function bearer(share: Share, id: FileId): Maybe<Inode | null> {
  return after(share.inodes.load(id), (inode) => (inode !== null && isStream(inode) ? share.inodes.load(inode.parent as FileId) : inode));
}

/** One extended attribute. Synchronous where it is cached or there is none. */
export function xattr(share: Share, who: Credentials, id: FileId, name: string): Maybe<Uint8Array | null | FsError> {
  const refused = refuseReader(who);
  if (refused !== null) return refused;
  return after(bearer(share, id), (inode) => {
    if (inode === null) return stale;
    if ((inode.flags & xattrFlag(name)) === 0) return null;
    return after(all(share, inode), (list) => list.find((one) => one.name === name)?.value ?? null);
  });
}

export function xattrs(share: Share, who: Credentials, id: FileId): Maybe<readonly Xattr[] | FsError> {
  const refused = refuseReader(who);
  if (refused !== null) return refused;
  return after(bearer(share, id), (inode) => (inode === null ? stale : all(share, inode)));
}

/** Every attribute of an inode, as of a moment when its attribute version was this or later. */
function all(share: Share, inode: Inode): Maybe<readonly Xattr[]> {
  if ((inode.flags & xattrFlags) === 0) return none;
  const { id, attributeVersion } = inode;
  const cached = share.xattrCache.get(id, attributeVersion);
  if (cached !== undefined) return cached;
  return after(share.store.xattrs(id), (list) => {
    // What had to be waited for may be of a later version by now.
    if (share.inodes.hit(id)?.attributeVersion !== attributeVersion) return list;
    let weight = overheadBytes;
    for (const one of list) weight += overheadBytes + one.value.length;
    share.xattrCache.put(id, attributeVersion, list, weight);
    return list;
  });
}

function judge(name: string, value: Uint8Array | null): FsError | null {
  if (name === "" || !name.isWellFormed() || name.includes("\0")) return invalid;
  if (utf8Bytes(name) > xattrNameBytesMax) return nameTooLong;
  return value !== null && value.length > xattrBytesMax ? fileTooBig : null;
}

/** Why an object can't be made with these attributes, or null. */
export function judgeXattrs(given: MakeOptions["xattrs"]): FsError | null {
  if (given === undefined) return null;
  if (given.length > xattrsMax) return noSpace;
  for (const { name, value } of given) {
    const refused = judge(name, value);
    if (refused !== null) return refused;
  }
  return null;
}

/** Who may set an attribute: the owner what says who may do what, whoever may write everything else. */
function refuseSetter(inode: Inode, who: Changer, name: string): FsError | null {
  if (who.opened !== undefined && name !== XattrName.security) return (who.opened & Right.writeEa) !== 0 ? null : denied;
  if (passesModes(who) || who.uid === inode.uid) return null;
  if (name === XattrName.security) return notPermitted;
  return (permissions(inode, who) & Permission.write) !== 0 ? null : denied;
}

export function setXattr(share: Share, who: Credentials, id: FileId, name: string, given: Uint8Array | null): Promise<Change | FsError> {
  const value = given === null ? null : given.slice();
  return set(share, who, id, name, value, null);
}

/** Gives an attribute the value that `change` makes of the one it has: nothing that was set meanwhile is lost. */
export function changeXattr(share: Share, who: Credentials, id: FileId, name: string, change: XattrChange): Promise<Change | FsError> {
  return set(share, who, id, name, null, change);
}

function set(share: Share, who: Credentials, id: FileId, name: string, given: Uint8Array | null, change: XattrChange | null): Promise<Change | FsError> {
  return untilApplied(async (attempt) => {
    const changer = changerOf(share.policy, who);
    if (changer instanceof FsError) return changer;
    const inode = await bearer(share, id);
    if (inode === null) return stale;
    const known = await all(share, inode);
    const now = known.find((one) => one.name === name)?.value ?? null;
    const value = change === null ? given : change(now);
    if (value instanceof FsError) return value;
    const refused = judge(name, value) ?? refuseSetter(inode, changer, name);
    if (refused !== null) return refused;
    const conditions: Condition[] = [{ is: "live", id: inode.id }];
    const last = value !== null && known.length >= xattrsMax - 1;
    if (last && now === null && known.length >= xattrsMax) return noSpace;
    if (last || change !== null) conditions.push({ is: "attributeVersion", id: inode.id, version: inode.attributeVersion });
    const at = timeAfter(inode.ctime, share.clock.now());
    const operation = new Operation(conditions, [{ do: "setXattr", id: inode.id, name, value, at }], inode.id);
    const touched = await share.apply(changer, operation, attempt);
    if (touched === null || touched instanceof FsError) return touched;
    return { before: operation.before ?? inode, after: operation.after ?? share.inodes.hit(inode.id) };
  });
}

import type { Maybe } from "#base/brand.ts";
import { timeAfter } from "#base/time.ts";
import type { Change as StoreChange, Condition } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { foldKey } from "#model/fold-key.ts";
import { type FileId, fileId } from "#model/ids.ts";
import { type Dirent, FileType, type Inode, isStream, newObject } from "#model/inode.ts";
import { InodeFlag, streamsMax, streamsOf } from "#model/inode-flags.ts";
import { type Changer, changerOf, Permission, permissions, refuseReader } from "../access/permissions.ts";
import type { OpenedStream } from "../attributed.ts";
import { denied, exists, invalid, noEntry, noSpace, stale } from "../errors.ts";
import type { Change } from "../file-system.ts";
import { after } from "../maybe.ts";
import { isDots, judgeName } from "../names.ts";
import { Operation, untilApplied } from "../operation.ts";
import { extentsFreedMax } from "../orphans.ts";
import type { Share } from "../share.ts";

/*
 * A stream is a file of its own that only its owner leads to: a row of type regular whose parent is the owner, with a name in
 * `streamsOf(owner)`. Everything of content is as with any file. Every change of an owner's streams raises its attribute version, so that a
 * list of them is known to be whole; and an owner goes together with them, in one set (`streamsGoing`).
 *
 * A stream has no rights of its own: whoever opened it was judged by its owner then, as SMB judges at the open alone.
 */
const streamMode = 0o666;
/** What a stream weighs in the cache: most are short names. */
const entryWeight = 1;
const none: readonly Dirent[] = [];

function judgeStreamName(name: string): FsError | null {
  return isDots(name) ? invalid : judgeName(name);
}

/** An owner by its id; a stream has no streams. */
function ownerOf(share: Share, id: FileId): Maybe<Inode | FsError> {
  return after(share.inodes.load(id), (inode) => (inode === null ? stale : isStream(inode) ? invalid : inode));
}

/** The names of an owner's streams, as of a moment when its attribute version was this or later. */
function namesOf(share: Share, owner: Inode): Maybe<readonly Dirent[]> {
  if ((owner.flags & InodeFlag.hasStreams) === 0) return none;
  const { id, attributeVersion } = owner;
  const cached = share.streamCache.get(id, attributeVersion);
  if (cached !== undefined) return cached;
  return after(share.store.directory(streamsOf(id), 0, streamsMax), (list) => {
    if (share.inodes.hit(id)?.attributeVersion === attributeVersion) share.streamCache.put(id, attributeVersion, list, (1 + list.length) * entryWeight);
    return list;
  });
}

function find(list: readonly Dirent[], name: string): Dirent | null {
  const key = foldKey(name);
  for (let i = 0; i < list.length; i++) if (foldKey((list[i] as Dirent).name) === key) return list[i] as Dirent;
  return null;
}

export function streams(share: Share, who: Credentials, id: FileId): Maybe<readonly OpenedStream[] | FsError> {
  const refused = refuseReader(who);
  if (refused !== null) return refused;
  return after(ownerOf(share, id), (owner) => {
    if (owner instanceof FsError) return owner;
    return after(namesOf(share, owner), (list) => (list.length === 0 ? [] : load(share, owner, list)));
  });
}

async function load(share: Share, owner: Inode, list: readonly Dirent[]): Promise<readonly OpenedStream[]> {
  const inodes = await Promise.all(list.map(({ child }) => share.inodes.load(child)));
  // One that went while it was read is left out.
  return inodes.flatMap((inode, i) => (inode === null ? [] : [{ owner, inode, name: (list[i] as Dirent).name }]));
}

export function openStream(share: Share, who: Credentials, id: FileId, name: string): Maybe<OpenedStream | FsError> {
  const refused = refuseReader(who);
  if (refused !== null) return refused;
  return after(ownerOf(share, id), (owner) => {
    if (owner instanceof FsError) return owner;
    return after(namesOf(share, owner), (list) => {
      const found = find(list, name);
      if (found === null) return noEntry;
      return after(share.inodes.loadNode(found.child), (node) => {
        if (node === null || node.inode === null) return noEntry;
        node.name = found.name;
        return { owner, inode: node.inode, name: found.name };
      });
    });
  });
}

/** The owner if `who` may change its streams. */
async function changeable(share: Share, who: Credentials, id: FileId): Promise<{ readonly changer: Changer; readonly owner: Inode } | FsError> {
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  const owner = await ownerOf(share, id);
  if (owner instanceof FsError) return owner;
  const may = who.opened !== undefined || who.uid === owner.uid || (permissions(owner, who) & Permission.write) !== 0;
  return may ? { changer, owner } : denied;
}

/** What every change of streams does to their owner: its ctime moves, as by any change but of content (MS-FSA 2.1.5.1.1, 2.1.5.14.11). */
function ownerChange(share: Share, owner: Inode): StoreChange {
  return { do: "setAttributes", id: owner.id, at: timeAfter(owner.ctime, share.clock.now()), flags: { clear: 0, set: InodeFlag.hasStreams } };
}

function newStream(share: Share, owner: Inode): Inode {
  const { uid, gid, id: parent } = owner;
  return newObject(share.clock.now(), { id: fileId(share.store.draw()), type: FileType.regular, mode: streamMode, uid, gid, parent, generation: share.generation });
}

export function makeStream(share: Share, who: Credentials, id: FileId, name: string): Promise<OpenedStream | FsError> {
  return untilApplied(async (attempt) => {
    const opened = await changeable(share, who, id);
    if (opened instanceof FsError) return opened;
    const { changer, owner } = opened;
    const refused = judgeStreamName(name);
    if (refused !== null) return refused;
    const list = await namesOf(share, owner);
    if (find(list, name) !== null) return exists;
    if (list.length >= streamsMax) return noSpace;
    const inode = newStream(share, owner);
    const operation = new Operation(unchanged(owner), [
      { do: "insertInode", inode },
      { do: "insertDirent", parent: streamsOf(id), name, child: inode.id },
      ownerChange(share, owner),
    ]);
    const touched = await share.apply(changer, operation, attempt);
    if (touched === null || touched instanceof FsError) return touched;
    return { owner: share.inodes.hit(id) ?? owner, inode: share.inodes.hit(inode.id) ?? inode, name };
  });
}

/** Nothing of the owner's streams has changed since it was read, and it has a link. */
function unchanged({ id, attributeVersion }: Inode): readonly Condition[] {
  return [
    { is: "live", id },
    { is: "attributeVersion", id, version: attributeVersion },
  ];
}

/** What takes a stream away; whoever has it open goes on using it. */
function gone(share: Share, { parent, name, child }: Dirent, extentsMax = extentsFreedMax): readonly StoreChange[] {
  const unnamed: readonly StoreChange[] = [
    { do: "deleteDirent", parent, name },
    { do: "addLinks", id: child, delta: -1, at: share.clock.now() },
  ];
  return share.opens.of(child) !== null ? unnamed : [...unnamed, { do: "freeOrphan", id: child, extentsMax }];
}

/** `of`: only if it is still this one. */
export function removeStream(share: Share, who: Credentials, id: FileId, name: string, of: FileId | null = null): Promise<Change | FsError> {
  return changeStreams(share, who, id, (list) => {
    const found = find(list, name);
    return found === null || (of !== null && found.child !== of) ? noEntry : gone(share, found);
  });
}

export function renameStream(share: Share, who: Credentials, id: FileId, from: string, to: string, replace: boolean): Promise<Change | FsError> {
  return changeStreams(share, who, id, (list) => {
    const found = find(list, from);
    if (found === null) return noEntry;
    const refused = judgeStreamName(to);
    if (refused !== null) return refused;
    const taken = find(list, to);
    if (taken !== null && taken !== found && !replace) return exists;
    if (taken === found && found.name === to) return [];
    const replaced = taken === null || taken === found ? [] : gone(share, taken);
    const { parent, child } = found;
    return [{ do: "deleteDirent", parent, name: found.name }, ...replaced, { do: "insertDirent", parent, name: to, child }];
  });
}

/** Applies what `decide` makes of an owner's streams, while they are as it saw them. */
function changeStreams(share: Share, who: Credentials, id: FileId, decide: (list: readonly Dirent[]) => readonly StoreChange[] | FsError): Promise<Change | FsError> {
  return untilApplied<Change>(async (attempt) => {
    const opened = await changeable(share, who, id);
    if (opened instanceof FsError) return opened;
    const { changer, owner } = opened;
    const changes = decide(await namesOf(share, owner));
    if (changes instanceof FsError) return changes;
    if (changes.length === 0) return { before: owner, after: owner };
    const operation = new Operation(unchanged(owner), [...changes, ownerChange(share, owner)], id);
    const touched = await share.apply(changer, operation, attempt);
    if (touched === null || touched instanceof FsError) return touched;
    return { before: operation.before ?? owner, after: operation.after ?? share.inodes.hit(id) };
  });
}

/** What has to hold, and what is done, where an object loses a link: with the last of them its streams go. */
export interface Going {
  readonly conditions: readonly Condition[];
  readonly changes: readonly StoreChange[];
  /** Streams that go. */
  readonly streams: readonly FileId[];
}

/** Nothing loses a link. */
const noStreams: readonly FileId[] = [];
export const nothingGoes: Going = { conditions: [], changes: [], streams: noStreams };

/** `lastLink`: of a directory its only one. */
export function streamsGoing(share: Share, child: Inode): Maybe<Going> {
  const { id, links } = child;
  // Whoever makes the first stream meanwhile makes this false.
  if ((child.flags & InodeFlag.hasStreams) === 0) return { conditions: [{ is: "streamless", id }], changes: [], streams: noStreams };
  const same: Condition = { is: "links", id, links };
  if (links > 1 && child.type !== FileType.directory) return { conditions: [same], changes: [], streams: noStreams };
  return after(namesOf(share, child), (list) => {
    const extentsMax = Math.max(1, Math.floor(extentsFreedMax / Math.max(1, list.length)));
    return { conditions: [same, ...unchanged(child)], changes: list.flatMap((stream) => gone(share, stream, extentsMax)), streams: list.map(({ child }) => child) };
  });
}

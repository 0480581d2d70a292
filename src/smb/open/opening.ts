import type { Maybe } from "#base/brand.ts";
import { allRights } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import type { Created, FileSystem } from "#vfs/file-system.ts";
import { after } from "#vfs/maybe.ts";
import { OpenFile, samePlace } from "#vfs/opens/index.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask, CreateAction, CreateOption, type CreateRequest, Disposition } from "#wire/smb2/create.ts";
import type { Asked } from "../lease/index.ts";
import { ntStatusOf } from "../status.ts";
import { type Making, makingOf, refuseOverwrite } from "../info/making.ts";
import { grantAccess, momentaryRights } from "../security/granted.ts";
import type { Tree } from "../tree/tree.ts";
import { attributesOf } from "./facts.ts";
import { type Resolved, resolve, type SmbPath } from "./path.ts";
import { stops } from "./stopped.ts";
import { giveBack, openStream, streamsForbidDeletion } from "./stream-opening.ts";
import { raced, Waiting } from "./waiting.ts";

const fileMode = 0o644;
const directoryMode = 0o755;
/** Times a name is looked up anew because it came or went meanwhile. Waits for others to give up what they cache are not counted: each ends. */
const racesMax = 8;

export interface Opened {
  readonly inode: Inode;
  readonly file: OpenFile;
  /** The stream of `inode` that was opened, and what keeps that one's name as long; null: it was opened itself. */
  readonly stream: { readonly inode: Inode; readonly name: string; readonly keeper: OpenFile } | null;
  /** Its path as it is stored. */
  readonly parts: readonly string[];
  /** Where it was found; null: it is the share's root. */
  readonly parent: Inode | null;
  readonly action: CreateAction;
}

/** Has the client wait for others. */
export interface Waiter {
  wait(until: Promise<void>): Promise<NtStatus>;
}

/** One CREATE of a file or directory on its way (MS-FSA 2.1.5.1). Whenever it had to wait it begins again with the name. */
export class Opening {
  private readonly fs: FileSystem;
  private readonly who: Credentials;
  private readonly path: SmbPath;
  private readonly request: CreateRequest;
  private readonly asked: Asked;
  private readonly apple: boolean;
  private readonly waiter: Waiter;
  private retried = false;

  constructor(tree: Tree, path: SmbPath, request: CreateRequest, asked: Asked, waiter: Waiter) {
    const who = tree.credentials();
    this.fs = tree.fs!;
    this.apple = tree.appleClient;
    this.who = asked.parentKey === null ? who : { ...who, parentKey: asked.parentKey };
    this.path = path;
    this.request = request;
    this.asked = asked;
    this.waiter = waiter;
  }

  run(): Maybe<Opened | number> {
    const outcome = this.attempt();
    return outcome instanceof Promise || outcome instanceof Waiting || outcome === raced ? this.goOn(outcome) : outcome;
  }

  private async goOn(first: Maybe<Opened | Waiting | number>): Promise<Opened | number> {
    let outcome = await first;
    for (let races = 0; ; ) {
      if (outcome instanceof Waiting) {
        this.retried = true;
        const status = await this.waiter.wait(outcome.until);
        if (status !== NtStatus.SUCCESS) return status;
      } else if (outcome !== raced) return outcome;
      else if (++races === racesMax) return NtStatus.INSUFFICIENT_SERVER_RESOURCES;
      outcome = await this.attempt();
    }
  }

  private attempt(): Maybe<Opened | Waiting | number> {
    const found = resolve(this.fs, this.who, this.path.parts);
    return found instanceof Promise ? found.then((arrived) => this.decide(arrived)) : this.decide(found);
  }

  private decide(found: Resolved | NtStatus): Maybe<Opened | Waiting | number> {
    if (typeof found === "number") return found;
    if (this.path.stream !== null) return this.useStream(found, this.path.stream);
    const key = this.asked.caching?.key ?? null;
    const lease = key === null ? null : this.fs.opens.lease(key);
    if (lease !== null && lease.file.id !== found.inode?.id) return NtStatus.INVALID_PARAMETER;
    return found.inode === null ? this.make(found) : this.use(found, found.inode);
  }

  /** A named stream, of a file that is made where there is none and the stream would be made. */
  private async useStream(found: Resolved, name: string): Promise<Opened | Waiting | number> {
    const { fs, who, request, asked, apple, retried } = this;
    let owner = found.inode;
    if (owner === null) {
      if ((request.options & CreateOption.DIRECTORY_FILE) !== 0) return NtStatus.NOT_A_DIRECTORY;
      if (request.disposition === Disposition.OPEN || request.disposition === Disposition.OVERWRITE) return NtStatus.OBJECT_NAME_NOT_FOUND;
      const making = makingOf(request, false);
      if (typeof making === "number") return making;
      const made = await this.create(found, false, making);
      if (made instanceof FsError) return made.code === "exists" ? raced : ntStatusOf(made);
      owner = made.inode;
    } else if (this.isGoing(found, owner)) return NtStatus.DELETE_PENDING;
    if (stops(owner) && (request.options & CreateOption.OPEN_REPARSE_POINT) === 0) return NtStatus.STOPPED_ON_SYMLINK;
    const opened = await openStream({ fs, who, request, asked, apple, retried, name, found, owner, ownerMade: found.inode === null });
    if (typeof opened === "number" || opened instanceof Waiting) return opened;
    const { file, keeper, stream, streamName, action } = opened;
    const parent = this.path.parts.length === 0 ? null : found.parent;
    return { inode: opened.owner, file, stream: { inode: stream, name: streamName, keeper }, parts: found.parts, parent, action };
  }

  /** Its name goes with the last open (MS-FSA 2.1.5.1.2). */
  private isGoing(found: Resolved, inode: Inode): boolean {
    const deletion = this.fs.opens.of(inode.id)?.deletion ?? null;
    return deletion !== null && samePlace(deletion.place, this.placeOf(found));
  }

  private make(found: Resolved): Maybe<Opened | Waiting | number> {
    const { disposition, options } = this.request;
    if (disposition === Disposition.OPEN || disposition === Disposition.OVERWRITE) return NtStatus.OBJECT_NAME_NOT_FOUND;
    if (this.fs.opens.of(found.parent.id)?.deletion != null) return NtStatus.DELETE_PENDING;
    const directory = (options & CreateOption.DIRECTORY_FILE) !== 0;
    const making = makingOf(this.request, directory);
    if (typeof making === "number") return making;
    if (this.deletesReadonly(making.flags ?? 0)) return NtStatus.CANNOT_DELETE;
    return this.create(found, directory, making).then((made) => {
      if (made instanceof FsError) return made.code === "exists" && disposition !== Disposition.CREATE ? raced : ntStatusOf(made);
      return this.admit(found, made.inode, CreateAction.CREATED);
    });
  }

  private create({ parent, name }: Resolved, directory: boolean, { flags, options }: Making): Promise<Created | FsError> {
    const attributes = flags === undefined ? { mode: directory ? directoryMode : fileMode } : { mode: directory ? directoryMode : fileMode, flags };
    if (directory) return this.fs.mkdir(this.who, parent.id, name, attributes, options);
    return this.fs.create(this.who, parent.id, name, { mode: "guarded", attributes }, options);
  }

  /** A file that is read-only is not deleted (MS-FSA 2.1.5.1.1, 2.1.5.1.2). */
  private deletesReadonly(attributes: number): boolean {
    return (this.request.options & CreateOption.DELETE_ON_CLOSE) !== 0 && (attributes & FileAttribute.READONLY) !== 0;
  }

  private use(found: Resolved, inode: Inode): Maybe<Opened | Waiting | number> {
    const { disposition, options } = this.request;
    if (this.isGoing(found, inode)) return NtStatus.DELETE_PENDING;
    if (disposition === Disposition.CREATE) return NtStatus.OBJECT_NAME_COLLISION;
    if (stops(inode) && (options & CreateOption.OPEN_REPARSE_POINT) === 0) return NtStatus.STOPPED_ON_SYMLINK;
    const directory = inode.type === FileType.directory;
    if ((options & CreateOption.DIRECTORY_FILE) !== 0 && !directory) return NtStatus.NOT_A_DIRECTORY;
    if (directory && (options & CreateOption.NON_DIRECTORY_FILE) !== 0) return NtStatus.FILE_IS_A_DIRECTORY;
    if (disposition === Disposition.OPEN || disposition === Disposition.OPEN_IF) return this.admit(found, inode, CreateAction.OPENED);
    if (directory) return NtStatus.INVALID_PARAMETER;
    const refused = refuseOverwrite(inode, this.request.attributes);
    if (refused !== NtStatus.SUCCESS) return refused;
    return this.replace(this.admit(found, inode, disposition === Disposition.SUPERSEDE ? CreateAction.SUPERSEDED : CreateAction.OVERWRITTEN));
  }

  private async replace(admitted: Maybe<Opened | Waiting | number>): Promise<Opened | Waiting | number> {
    const opened = await admitted;
    return typeof opened === "number" || opened instanceof Waiting ? opened : this.empty(opened);
  }

  /** Takes its place among the file's opens. */
  private admit(found: Resolved, inode: Inode, action: CreateAction): Maybe<Opened | Waiting | number> {
    const { request, fs } = this;
    const parent = this.path.parts.length === 0 ? null : found.parent;
    const made = action === CreateAction.CREATED;
    const momentary = made ? 0 : momentaryRights(request.disposition);
    const given = grantAccess(fs, this.who, parent, inode, request.desiredAccess, momentary, made);
    if ("refused" in given) return given.refused;
    const { access } = given;
    if (this.deletesReadonly(attributesOf(inode))) return NtStatus.CANNOT_DELETE;
    const deleteOnClose = (request.options & CreateOption.DELETE_ON_CLOSE) !== 0;
    if (deleteOnClose && (access & AccessMask.DELETE) === 0) return NtStatus.ACCESS_DENIED;
    if ((access & AccessMask.DELETE) === 0 || (inode.flags & InodeFlag.hasStreams) === 0) return this.take(found, inode, action, access, momentary);
    const barred = streamsForbidDeletion(fs, this.who, inode);
    return after(barred, (is) => (is ? NtStatus.SHARING_VIOLATION : this.take(found, inode, action, access, momentary)));
  }

  private take(found: Resolved, inode: Inode, action: CreateAction, access: number, momentary: number): Opened | Waiting | number {
    const { request } = this;
    const parent = this.path.parts.length === 0 ? null : found.parent;
    const admitted = this.fs.opens.admit(
      inode.id,
      {
        who: this.who,
        access,
        momentary,
        sharing: request.shareAccess,
        place: this.placeOf(found),
        directory: inode.type === FileType.directory,
        overwrites: action === CreateAction.OVERWRITTEN || action === CreateAction.SUPERSEDED,
        deleteOnClose: (request.options & CreateOption.DELETE_ON_CLOSE) !== 0,
        caching: this.asked.caching,
        parentKey: this.asked.parentKey,
        retried: this.retried,
      },
      this.asked.holder,
    );
    if (admitted instanceof OpenFile) return { inode, file: admitted, stream: null, parts: found.parts, parent, action };
    if (admitted instanceof FsError) return ntStatusOf(admitted);
    return new Waiting(admitted);
  }

  /** Replaces the content of the file that was opened. */
  private async empty(opened: Opened): Promise<Opened | number> {
    const { file } = opened;
    let done: Inode | NtStatus;
    try {
      done = await this.overwrite(file, opened.inode);
    } catch (error) {
      await giveBack(this.fs, file);
      throw error;
    }
    file.emptying = false;
    if (typeof done !== "number") return { ...opened, inode: done };
    await giveBack(this.fs, file);
    return done;
  }

  /** A file that is overwritten begins anew: no content, the attributes and EAs of the request, no streams (MS-FSA 2.1.5.1.2). */
  private async overwrite(file: OpenFile, inode: Inode): Promise<Inode | NtStatus> {
    const making = makingOf(this.request, false);
    if (typeof making === "number") return making;
    const { fs } = this;
    const who = { ...this.who, opened: allRights };
    const id = inode.id;
    const flags = making.flags ?? FileAttribute.ARCHIVE;
    const cut = await fs.setattr(who, id, flags === attributesOf(inode) ? { size: 0 } : { size: 0, flags }, null, file);
    if (cut instanceof FsError) return ntStatusOf(cut);
    if ((inode.flags & InodeFlag.hasEas) !== 0 || making.eas !== null) {
      const set = await fs.setXattr(who, id, XattrName.ea, making.eas);
      if (set instanceof FsError) return ntStatusOf(set);
    }
    const streams = await fs.streams(who, id);
    if (streams instanceof FsError) return ntStatusOf(streams);
    for (const { name } of streams) {
      const removed = await fs.removeStream(who, id, name);
      if (removed instanceof FsError && removed.code !== "noEntry") return ntStatusOf(removed);
    }
    return fs.cached(id) ?? cut.after ?? inode;
  }

  private placeOf(found: Resolved): { parent: Inode["id"]; name: string } | null {
    return this.path.parts.length === 0 ? null : { parent: found.parent.id, name: found.name };
  }
}

import type { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FileId } from "#model/ids.ts";
import type { OpenFile, Place } from "#vfs/opens/open-file.ts";
import { CreateAction } from "#wire/smb2/create.ts";
import type { AppInstance } from "#wire/smb2/durable.ts";
import type { Pipe } from "../pipe/pipe.ts";
import type { Durable } from "../durable/durable.ts";
import type { Tree } from "../tree/tree.ts";
import type { DirectoryWatch } from "./directory-watch.ts";
import type { LockReplay } from "./lock-replay.ts";
import { shownPath } from "./names.ts";
import type { Scan } from "./scan.ts";

/** An open file or directory (MS-SMB2 3.3.1.10). */
export class Open {
  number: number;
  tree: Tree;
  /** What is read and written: of a stream its own. */
  id: FileId;
  /** The file or directory whose times, attributes and rights it has: of a stream its owner. */
  ownerId: FileId;
  readonly directory: boolean;
  /** Rights of MS-DTYP 2.4.3 it was opened with, generic ones resolved. */
  readonly access: number;
  /** Its place in the share's table; null: a pipe. */
  file: OpenFile | null;
  /** Its path in the share, or the parts of that as they are stored. */
  private named: string | readonly string[];
  /** `OpenTable.moves` as that was made: names that moved since may make it wrong. */
  namedAt: number;
  /** The path it was opened by, where that is another by now. */
  formerPath: string | null = null;
  /** Of a stream: an open of its owner, whose name stays as long. */
  keeper: OpenFile | null = null;
  scan: Scan | null = null;
  /** Requests for its listing that wait for the store, one after the other. */
  listing: Promise<void> | null = null;
  /** Null: nobody asked yet what changes in it. */
  watch: DirectoryWatch | null = null;
  /** Behind the last byte read, or as the client set it (MS-FSCC 2.4.35). */
  position = 0;
  /** Null: no LOCK that could be sent again was done. */
  lockReplay: LockReplay | null = null;
  /** Of IPC$: what is open is a pipe and no file. */
  pipe: Pipe | null = null;
  /** The EA a listing of them goes on with. */
  eaIndex = 0;
  /** What FileModeInformation tells of it. */
  mode = 0;
  /** The write time as it was set through this open, or frozen: what is written through it leaves that as it is. */
  frozenWriteTime: Time | null = null;
  /** The change time that was set through this open, or frozen: what it sets leaves that as it is. */
  frozenChangeTime: Time | null = null;
  /** Something was written since. */
  writtenFrozen = false;
  /** What its CREATE did. */
  action: CreateAction = CreateAction.OPENED;
  /** Null: it goes with its connection. */
  durable: Durable | null = null;
  /** By what its CREATE is known if it is sent again; null: it can't be. */
  createKey: string | null = null;
  /** The application instance it belongs to. */
  instance: AppInstance | null = null;
  /** How often its client lost a connection (MS-SMB2 3.3.1.10, Open.ChannelSequence), and requests under way from after and before the last time. */
  channelSequence = 0;
  outstanding = 0;
  outstandingBefore = 0;
  /** The half that stays as long as the file is open, and one that changes whenever its client comes back to it. */
  persistentLow: number;
  persistentHigh: number;
  volatileLow: number;
  volatileHigh: number;
  private who: Credentials | null = null;
  private base: Credentials | null = null;

  constructor(number: number, tree: Tree, id: FileId, directory: boolean, access: number, file: OpenFile | null, named: string | readonly string[]) {
    this.number = number;
    this.tree = tree;
    this.id = id;
    this.ownerId = id;
    this.directory = directory;
    this.access = access;
    this.file = file;
    this.named = named;
    this.namedAt = tree.fs === null ? 0 : tree.fs.opens.moves;
    // Half of it differs from one start of the server to the next, as the session's does: an id never comes back.
    this.persistentLow = this.volatileLow = number;
    this.persistentHigh = this.volatileHigh = tree.session.salt | 0;
  }

  /** Its path in the share, parts separated by backslashes, as clients are told it. */
  get path(): string {
    if (typeof this.named !== "string") this.named = shownPath(this.named);
    return this.named;
  }

  set path(path: string) {
    this.named = path;
  }

  /** Its id as it is on the wire (MS-SMB2 2.2.14.1). */
  get fileId(): Uint8Array {
    const bytes = Buffer.alloc(16);
    bytes.writeInt32LE(this.persistentLow, 0);
    bytes.writeInt32LE(this.persistentHigh, 4);
    bytes.writeInt32LE(this.volatileLow, 8);
    bytes.writeInt32LE(this.volatileHigh, 12);
    return bytes;
  }

  /** The half of its id that stays, in hex. */
  get persistentId(): string {
    return Buffer.from(this.fileId.subarray(0, 8)).toString("hex");
  }

  set persistentId(hex: string) {
    const half = Buffer.from(hex, "hex");
    this.persistentLow = half.readInt32LE(0);
    this.persistentHigh = half.readInt32LE(4);
  }

  /** Its client came back to it. */
  reopened(number: number, tree: Tree): void {
    this.number = number;
    this.tree = tree;
    this.volatileLow = number;
    this.volatileHigh = tree.session.salt | 0;
  }

  /** Its user, with the rights it was opened with: what it does is not judged anew. */
  credentials(): Credentials {
    const base = this.tree.credentials();
    if (this.who === null || this.base !== base) {
      this.base = base;
      const key = this.file?.parentKey ?? null;
      this.who = key === null ? { ...base, opened: this.access } : { ...base, opened: this.access, parentKey: key };
    }
    return this.who;
  }

  /** Where its name is; null: the share's root. */
  get place(): Place | null {
    return this.file?.place ?? null;
  }

  /** Its name goes when everybody has closed it. */
  get deletePending(): boolean {
    return this.file !== null && this.file.file.deletion !== null;
  }
}

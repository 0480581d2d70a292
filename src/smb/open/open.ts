import type { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FileId } from "#model/ids.ts";
import type { OpenFile, Place } from "#vfs/opens/open-file.ts";
import type { Pipe } from "../pipe/pipe.ts";
import type { Tree } from "../tree/tree.ts";
import type { DirectoryWatch } from "./directory-watch.ts";
import type { LockReplay } from "./lock-replay.ts";
import type { Scan } from "./scan.ts";

/** An open file or directory (MS-SMB2 3.3.1.10). */
export class Open {
  readonly number: number;
  readonly tree: Tree;
  /** What is read and written: of a stream its own. */
  id: FileId;
  /** The file or directory whose times, attributes and rights it has: of a stream its owner. */
  ownerId: FileId;
  readonly directory: boolean;
  /** Rights of MS-DTYP 2.4.3 it was opened with, generic ones resolved. */
  readonly access: number;
  /** Its place in the share's table; null: a pipe. */
  file: OpenFile | null;
  /** Its path in the share, parts separated by backslashes. */
  path: string;
  /** Of a stream: an open of its owner, whose name stays as long. */
  keeper: OpenFile | null = null;
  scan: Scan | null = null;
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
  private who: Credentials | null = null;
  private base: Credentials | null = null;
  readonly fileId: Uint8Array;

  constructor(number: number, tree: Tree, id: FileId, directory: boolean, access: number, file: OpenFile | null, path: string) {
    this.number = number;
    this.tree = tree;
    this.id = id;
    this.ownerId = id;
    this.directory = directory;
    this.access = access;
    this.file = file;
    this.path = path;
    this.fileId = new Uint8Array(16);
    const view = new DataView(this.fileId.buffer);
    // The other half differs from one start of the server to the next, as the session's does: an id never comes back.
    view.setUint32(0, number, true);
    view.setUint32(4, tree.session.salt, true);
    view.setUint32(8, number, true);
    view.setUint32(12, tree.session.salt, true);
  }

  /** Its user, with the rights it was opened with: what it does is not judged anew. */
  credentials(): Credentials {
    const base = this.tree.credentials();
    if (this.who === null || this.base !== base) {
      this.base = base;
      this.who = { ...base, opened: this.access };
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

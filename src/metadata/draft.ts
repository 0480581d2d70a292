import type { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import type { FileType, InodeFields } from "#model/inode.ts";

/** An inode while a change set works on it: the columns of `Inode`, writable. */
export class Draft implements InodeFields {
  readonly id: FileId;
  readonly type: FileType;
  mode: number;
  links: number;
  uid: number;
  gid: number;
  size: number;
  used: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
  readonly birth: Time;
  change: number;
  attributeVersion: number;
  contentSequence: number;
  mtimeSequence: number;
  parent: number;
  readonly generation: number;
  createVerifier: Uint8Array | null;
  readonly target: Uint8Array | null;

  constructor(f: InodeFields) {
    this.id = f.id;
    this.type = f.type;
    this.mode = f.mode;
    this.links = f.links;
    this.uid = f.uid;
    this.gid = f.gid;
    this.size = f.size;
    this.used = f.used;
    this.deviceMajor = f.deviceMajor;
    this.deviceMinor = f.deviceMinor;
    this.atime = f.atime;
    this.mtime = f.mtime;
    this.ctime = f.ctime;
    this.birth = f.birth;
    this.change = f.change;
    this.attributeVersion = f.attributeVersion;
    this.contentSequence = f.contentSequence;
    this.mtimeSequence = f.mtimeSequence;
    this.parent = f.parent;
    this.generation = f.generation;
    this.createVerifier = f.createVerifier;
    this.target = f.target;
  }
}

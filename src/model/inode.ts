import type { Time } from "#base/time.ts";
import type { SecurityDescriptor } from "./acl.ts";
import type { Cookie, FileId } from "./ids.ts";

/** What kind of object an inode is; the numbers are stored, never renumber them. */
export const FileType = { regular: 1, directory: 2, block: 3, character: 4, symlink: 5, socket: 6, fifo: 7 } as const;
export type FileType = (typeof FileType)[keyof typeof FileType];

export interface InodeFields {
  readonly id: FileId;
  readonly type: FileType;
  /** Permission bits, setuid, setgid and sticky: 0..0o7777. */
  readonly mode: number;
  /** Hard links; of a directory 2 + its subdirectories. 0: an orphan. */
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; of a directory 4096, of a symbolic link the length of its target. */
  readonly size: number;
  /** Bytes of content that are stored; holes store none. */
  readonly used: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly birth: Time;
  /** Rises with every change of the object, attributes and content; from the share's sequence. */
  readonly change: number;
  /** Rises with every change of mode, owner, group or explicit times; never with content. */
  readonly attributeVersion: number;
  /** Content of this file is complete in the store up to and with this log sequence number; replay skips what it covers. */
  readonly contentSequence: number;
  /** mtime was set explicitly when the log stood here; replay of an older record leaves mtime alone. */
  readonly mtimeSequence: number;
  /** The directory a directory lies in; of a stream the file or directory it belongs to; 0 for everything else. */
  readonly parent: number;
  readonly generation: number;
  /** Verifier of an exclusive create (8 bytes), until attributes are set. */
  readonly createVerifier: Uint8Array | null;
  /** Target of a symbolic link, bytes as the client gave them. */
  readonly target: Uint8Array | null;
  /** In vfs's cache alone, of an object that has one: its stored security descriptor. No store writes or reads it here. */
  readonly security?: SecurityDescriptor | undefined;
  /** In vfs's cache alone: a change time that a client of SMB set, told in place of ctime for as long as that is `ctime`. */
  readonly changeTime?: { readonly told: Time; readonly ctime: Time } | undefined;
  /** DOS attributes and what else there is of it: bits of `InodeFlag`. */
  readonly flags: number;
}

/** One object of a share. Immutable: a change makes a new one, so that the row before a change stays at hand. */
export class Inode implements InodeFields {
  readonly id: FileId;
  readonly type: FileType;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly used: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly birth: Time;
  readonly change: number;
  readonly attributeVersion: number;
  readonly contentSequence: number;
  readonly mtimeSequence: number;
  readonly parent: number;
  readonly generation: number;
  readonly createVerifier: Uint8Array | null;
  readonly target: Uint8Array | null;
  readonly security?: SecurityDescriptor | undefined;
  readonly changeTime?: { readonly told: Time; readonly ctime: Time } | undefined;
  readonly flags: number;

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
    this.security = f.security;
    this.changeTime = f.changeTime;
    this.flags = f.flags;
  }

  /** This inode with some columns replaced. */
  with(p: Partial<InodeFields>): Inode {
    return new Inode({
      id: p.id ?? this.id,
      type: p.type ?? this.type,
      mode: p.mode ?? this.mode,
      links: p.links ?? this.links,
      uid: p.uid ?? this.uid,
      gid: p.gid ?? this.gid,
      size: p.size ?? this.size,
      used: p.used ?? this.used,
      deviceMajor: p.deviceMajor ?? this.deviceMajor,
      deviceMinor: p.deviceMinor ?? this.deviceMinor,
      atime: p.atime ?? this.atime,
      mtime: p.mtime ?? this.mtime,
      ctime: p.ctime ?? this.ctime,
      birth: p.birth ?? this.birth,
      change: p.change ?? this.change,
      attributeVersion: p.attributeVersion ?? this.attributeVersion,
      contentSequence: p.contentSequence ?? this.contentSequence,
      mtimeSequence: p.mtimeSequence ?? this.mtimeSequence,
      parent: p.parent ?? this.parent,
      generation: p.generation ?? this.generation,
      createVerifier: p.createVerifier === undefined ? this.createVerifier : p.createVerifier,
      target: p.target === undefined ? this.target : p.target,
      security: p.security ?? this.security,
      changeTime: p.changeTime ?? this.changeTime,
      flags: p.flags ?? this.flags,
    });
  }
}

/** Whether an inode is a stream of another: named there alone, and judged by that one's rights when it was opened. */
export function isStream(inode: Inode): boolean {
  return inode.parent !== 0 && inode.type === FileType.regular;
}

/** A name in a directory, or of a stream of a file (`streamsOf`). Names are valid UTF-8 without NUL and `/`, at most 255 bytes; a JavaScript string holds such a name exactly. */
export interface Dirent {
  readonly parent: FileId;
  readonly name: string;
  readonly child: FileId;
  readonly cookie: Cookie;
}

/** An extended attribute of an inode. */
export interface Xattr {
  readonly id: FileId;
  readonly name: string;
  readonly value: Uint8Array;
}

/** An object made `at` this moment, without content or anything set, but for what `over` gives. */
export function newObject(at: Time, over: Pick<InodeFields, "id" | "type" | "mode"> & Partial<InodeFields>): Inode {
  return new Inode({
    links: 1,
    uid: 0,
    gid: 0,
    size: 0,
    used: 0,
    deviceMajor: 0,
    deviceMinor: 0,
    atime: at,
    mtime: at,
    ctime: at,
    birth: at,
    change: 0,
    attributeVersion: 0,
    contentSequence: 0,
    mtimeSequence: 0,
    parent: 0,
    generation: 0,
    createVerifier: null,
    target: null,
    flags: 0,
    ...over,
  });
}

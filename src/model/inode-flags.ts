import type { FileId } from "./ids.ts";

/** Bits of `Inode.flags`; they are stored, never renumber them. The low 16 are FILE_ATTRIBUTE_* as MS-FSCC 2.6 numbers them. */
export const InodeFlag = {
  /** DOS attributes that clients set and that are kept as they were set. */
  dosMask: 0xffff,
  /** DOS attributes were set explicitly; where they were not, a file shows ARCHIVE and a directory DIRECTORY. */
  dosSet: 1 << 16,
  /** Streams were made; it stays when they are gone. Without it there are none. */
  hasStreams: 1 << 17,
  /** Exactly where there is an extended attribute of that name (`xattrFlag`); the stores see to it. */
  hasSecurity: 1 << 18,
  hasEas: 1 << 19,
  reparse: 1 << 20,
  /** There was an extended attribute of another name; without it there is none. */
  hasXattrs: 1 << 21,
} as const;

/** The bits that say that there are extended attributes. */
export const xattrFlags: number = InodeFlag.hasSecurity | InodeFlag.hasEas | InodeFlag.reparse | InodeFlag.hasXattrs;

/** Every bit there is. */
export const allFlags: number = InodeFlag.dosMask | InodeFlag.dosSet | InodeFlag.hasStreams | xattrFlags;

/** Names of extended attributes that the server uses itself. */
export const XattrName = {
  /** A self-relative security descriptor (MS-DTYP 2.4.6), bytes as a client gave them. */
  security: "security",
  /** All EAs of a file in one blob. */
  ea: "ea",
  /** A reparse point's tag and data. */
  reparse: "reparse",
} as const;

/** Longest value, most attributes of one inode, and longest name in UTF-8 bytes. */
export const xattrBytesMax = 65_536;
export const xattrsMax = 16;
export const xattrNameBytesMax = 255;
/** Most streams of one file or directory. */
export const streamsMax = 128;

/** The bit of an inode that says that there is such an attribute. */
export function xattrFlag(name: string): number {
  switch (name) {
    case XattrName.security:
      return InodeFlag.hasSecurity;
    case XattrName.ea:
      return InodeFlag.hasEas;
    case XattrName.reparse:
      return InodeFlag.reparse;
    default:
      return InodeFlag.hasXattrs;
  }
}

/**
 * Where the streams of a file or directory have their names: in place of a directory's id, below zero, where no directory's entries are. So
 * no listing, look-up or check for emptiness of a directory ever meets them.
 */
export function streamsOf(owner: FileId): FileId {
  return -owner as FileId;
}

/** The file or directory whose streams have their names there; 0: it is a directory's id. */
export function ownerOfStreams(parent: number): FileId | 0 {
  return parent < 0 ? (-parent as FileId) : 0;
}

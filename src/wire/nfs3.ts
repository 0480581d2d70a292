import type { XdrReader } from "./xdr-reader.ts";
import { XdrFailure } from "./xdr-reader.ts";

/** NFS version 3 (RFC 1813): constants and the decoders of arguments that have more than one field of a kind. */
export const nfsProgram = 100003;
export const nfsVersion3 = 3;

export const Nfs3Procedure = {
  NULL: 0,
  GETATTR: 1,
  SETATTR: 2,
  LOOKUP: 3,
  ACCESS: 4,
  READLINK: 5,
  READ: 6,
  WRITE: 7,
  CREATE: 8,
  MKDIR: 9,
  SYMLINK: 10,
  MKNOD: 11,
  REMOVE: 12,
  RMDIR: 13,
  RENAME: 14,
  LINK: 15,
  READDIR: 16,
  READDIRPLUS: 17,
  FSSTAT: 18,
  FSINFO: 19,
  PATHCONF: 20,
  COMMIT: 21,
} as const;
export type Nfs3Procedure = (typeof Nfs3Procedure)[keyof typeof Nfs3Procedure];

export const NfsStat3 = {
  NFS3_OK: 0,
  NFS3ERR_PERM: 1,
  NFS3ERR_NOENT: 2,
  NFS3ERR_IO: 5,
  NFS3ERR_NXIO: 6,
  NFS3ERR_ACCES: 13,
  NFS3ERR_EXIST: 17,
  NFS3ERR_XDEV: 18,
  NFS3ERR_NODEV: 19,
  NFS3ERR_NOTDIR: 20,
  NFS3ERR_ISDIR: 21,
  NFS3ERR_INVAL: 22,
  NFS3ERR_FBIG: 27,
  NFS3ERR_NOSPC: 28,
  NFS3ERR_ROFS: 30,
  NFS3ERR_MLINK: 31,
  NFS3ERR_NAMETOOLONG: 63,
  NFS3ERR_NOTEMPTY: 66,
  NFS3ERR_DQUOT: 69,
  NFS3ERR_STALE: 70,
  NFS3ERR_REMOTE: 71,
  NFS3ERR_BADHANDLE: 10001,
  NFS3ERR_NOT_SYNC: 10002,
  NFS3ERR_BAD_COOKIE: 10003,
  NFS3ERR_NOTSUPP: 10004,
  NFS3ERR_TOOSMALL: 10005,
  NFS3ERR_SERVERFAULT: 10006,
  NFS3ERR_BADTYPE: 10007,
  NFS3ERR_JUKEBOX: 10008,
} as const;
export type NfsStat3 = (typeof NfsStat3)[keyof typeof NfsStat3];

export const FType3 = { NF3REG: 1, NF3DIR: 2, NF3BLK: 3, NF3CHR: 4, NF3LNK: 5, NF3SOCK: 6, NF3FIFO: 7 } as const;
export const StableHow = { UNSTABLE: 0, DATA_SYNC: 1, FILE_SYNC: 2 } as const;
export const CreateMode3 = { UNCHECKED: 0, GUARDED: 1, EXCLUSIVE: 2 } as const;
export const TimeHow = { DONT_CHANGE: 0, SET_TO_SERVER_TIME: 1, SET_TO_CLIENT_TIME: 2 } as const;
export const Access3 = { READ: 0x01, LOOKUP: 0x02, MODIFY: 0x04, EXTEND: 0x08, DELETE: 0x10, EXECUTE: 0x20 } as const;
export const Fsf3 = { LINK: 0x01, SYMLINK: 0x02, HOMOGENEOUS: 0x08, CANSETTIME: 0x10 } as const;

/** Longest file handle; lengths of the verifiers (RFC 1813 §2.4). */
export const fhBytesMax = 64;
export const verifierBytes = 8;

/** Bytes of a fattr3 (RFC 1813 §2.6) and of a wcc_attr. */
export const fattr3Bytes = 84;
const wccAttrBytes = 24;
/** Most bytes of a post_op_attr and of wcc_data, discriminants included. */
export const postOpAttrBytes = 4 + fattr3Bytes;
export const wccDataBytes = 4 + wccAttrBytes + postOpAttrBytes;

/** sattr3 as it stands on the wire. Reused: `decodeSattr3` fills it. -1 where a field is not set. */
export class Sattr3 {
  mode = -1;
  uid = -1;
  gid = -1;
  /** May be 2^53 and above: for the caller to refuse. */
  size = -1;
  atimeHow: number = TimeHow.DONT_CHANGE;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeHow: number = TimeHow.DONT_CHANGE;
  mtimeSec = 0;
  mtimeNsec = 0;
}

export function decodeSattr3(r: XdrReader, into: Sattr3): void {
  into.mode = r.bool() ? r.u32() : -1;
  into.uid = r.bool() ? r.u32() : -1;
  into.gid = r.bool() ? r.u32() : -1;
  into.size = r.bool() ? r.u64() : -1;
  into.atimeHow = r.u32();
  if (into.atimeHow === TimeHow.SET_TO_CLIENT_TIME) {
    into.atimeSec = r.u32();
    into.atimeNsec = r.u32();
  }
  into.mtimeHow = r.u32();
  if (into.mtimeHow === TimeHow.SET_TO_CLIENT_TIME) {
    into.mtimeSec = r.u32();
    into.mtimeNsec = r.u32();
  }
  if (into.atimeHow > TimeHow.SET_TO_CLIENT_TIME || into.mtimeHow > TimeHow.SET_TO_CLIENT_TIME) r.fail(XdrFailure.garbage);
}

import type { FsCode, FsError } from "#model/fs-error.ts";
import { MountStat3 } from "#wire/mount3.ts";
import { NfsStat3 } from "#wire/nfs3.ts";

/** The NFSv3 status of each outcome (RFC 1813 §2.6). */
const nfs3Status = {
  perm: NfsStat3.NFS3ERR_PERM,
  noEntry: NfsStat3.NFS3ERR_NOENT,
  io: NfsStat3.NFS3ERR_IO,
  access: NfsStat3.NFS3ERR_ACCES,
  exists: NfsStat3.NFS3ERR_EXIST,
  crossDevice: NfsStat3.NFS3ERR_XDEV,
  notDirectory: NfsStat3.NFS3ERR_NOTDIR,
  isDirectory: NfsStat3.NFS3ERR_ISDIR,
  invalid: NfsStat3.NFS3ERR_INVAL,
  fileTooBig: NfsStat3.NFS3ERR_FBIG,
  noSpace: NfsStat3.NFS3ERR_NOSPC,
  readOnly: NfsStat3.NFS3ERR_ROFS,
  tooManyLinks: NfsStat3.NFS3ERR_MLINK,
  nameTooLong: NfsStat3.NFS3ERR_NAMETOOLONG,
  notEmpty: NfsStat3.NFS3ERR_NOTEMPTY,
  quota: NfsStat3.NFS3ERR_DQUOT,
  stale: NfsStat3.NFS3ERR_STALE,
  badHandle: NfsStat3.NFS3ERR_BADHANDLE,
  notSync: NfsStat3.NFS3ERR_NOT_SYNC,
  badCookie: NfsStat3.NFS3ERR_BAD_COOKIE,
  notSupported: NfsStat3.NFS3ERR_NOTSUPP,
  badType: NfsStat3.NFS3ERR_BADTYPE,
  // It has no status for a mandatory lock: the client tries until the lock is gone.
  locked: NfsStat3.NFS3ERR_JUKEBOX,
  sharing: NfsStat3.NFS3ERR_ACCES,
  deletePending: NfsStat3.NFS3ERR_ACCES,
  cannotDelete: NfsStat3.NFS3ERR_ACCES,
  jukebox: NfsStat3.NFS3ERR_JUKEBOX,
} satisfies Record<FsCode, NfsStat3>;

export function nfs3StatusOf(error: FsError): NfsStat3 {
  return nfs3Status[error.code];
}

/** The MOUNT status of what a look-up on the way to a directory gives (RFC 1813 §5.1.4). */
const mount3Status = {
  perm: MountStat3.MNT3ERR_PERM,
  noEntry: MountStat3.MNT3ERR_NOENT,
  io: MountStat3.MNT3ERR_IO,
  access: MountStat3.MNT3ERR_ACCES,
  exists: MountStat3.MNT3ERR_SERVERFAULT,
  crossDevice: MountStat3.MNT3ERR_SERVERFAULT,
  notDirectory: MountStat3.MNT3ERR_NOTDIR,
  isDirectory: MountStat3.MNT3ERR_SERVERFAULT,
  invalid: MountStat3.MNT3ERR_INVAL,
  fileTooBig: MountStat3.MNT3ERR_SERVERFAULT,
  noSpace: MountStat3.MNT3ERR_SERVERFAULT,
  readOnly: MountStat3.MNT3ERR_SERVERFAULT,
  tooManyLinks: MountStat3.MNT3ERR_SERVERFAULT,
  nameTooLong: MountStat3.MNT3ERR_NAMETOOLONG,
  notEmpty: MountStat3.MNT3ERR_SERVERFAULT,
  quota: MountStat3.MNT3ERR_SERVERFAULT,
  stale: MountStat3.MNT3ERR_NOENT,
  badHandle: MountStat3.MNT3ERR_SERVERFAULT,
  notSync: MountStat3.MNT3ERR_SERVERFAULT,
  badCookie: MountStat3.MNT3ERR_SERVERFAULT,
  notSupported: MountStat3.MNT3ERR_NOTSUPP,
  badType: MountStat3.MNT3ERR_SERVERFAULT,
  locked: MountStat3.MNT3ERR_SERVERFAULT,
  sharing: MountStat3.MNT3ERR_ACCES,
  deletePending: MountStat3.MNT3ERR_ACCES,
  cannotDelete: MountStat3.MNT3ERR_ACCES,
  jukebox: MountStat3.MNT3ERR_SERVERFAULT,
} satisfies Record<FsCode, MountStat3>;

export function mount3StatusOf(error: FsError): MountStat3 {
  return mount3Status[error.code];
}

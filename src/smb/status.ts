import type { FsCode, FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";

/** The NTSTATUS of each outcome. */
const statusOf = {
  perm: NtStatus.ACCESS_DENIED,
  noEntry: NtStatus.OBJECT_NAME_NOT_FOUND,
  io: NtStatus.UNEXPECTED_IO_ERROR,
  access: NtStatus.ACCESS_DENIED,
  exists: NtStatus.OBJECT_NAME_COLLISION,
  crossDevice: NtStatus.NOT_SAME_DEVICE,
  notDirectory: NtStatus.NOT_A_DIRECTORY,
  isDirectory: NtStatus.FILE_IS_A_DIRECTORY,
  invalid: NtStatus.INVALID_PARAMETER,
  fileTooBig: NtStatus.INVALID_PARAMETER,
  noSpace: NtStatus.DISK_FULL,
  readOnly: NtStatus.MEDIA_WRITE_PROTECTED,
  tooManyLinks: NtStatus.TOO_MANY_LINKS,
  nameTooLong: NtStatus.OBJECT_NAME_INVALID,
  notEmpty: NtStatus.DIRECTORY_NOT_EMPTY,
  quota: NtStatus.DISK_FULL,
  stale: NtStatus.FILE_CLOSED,
  badHandle: NtStatus.FILE_CLOSED,
  notSync: NtStatus.UNSUCCESSFUL,
  badCookie: NtStatus.INVALID_PARAMETER,
  notSupported: NtStatus.NOT_SUPPORTED,
  badType: NtStatus.INVALID_PARAMETER,
  locked: NtStatus.FILE_LOCK_CONFLICT,
  sharing: NtStatus.SHARING_VIOLATION,
  deletePending: NtStatus.DELETE_PENDING,
  cannotDelete: NtStatus.CANNOT_DELETE,
  // SMB has no "come back later": clients take this one for a shortage that passes.
  jukebox: NtStatus.INSUFFICIENT_SERVER_RESOURCES,
} satisfies Record<FsCode, NtStatus>;

export function ntStatusOf(error: FsError): NtStatus {
  return statusOf[error.code];
}

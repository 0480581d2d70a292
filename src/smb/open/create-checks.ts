import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask, CreateOption, type CreateRequest, Disposition, dispositionMax } from "#wire/smb2/create.ts";

/** Anonymous, identification, impersonation, delegate. */
const impersonationMax = 3;
const sharingAll = 7;
/** Bits of MS-SMB2 2.2.13.1 that are no rights. */
const accessReserved = 0x0ce0fe00;
const optionsKnown = 0x00ffffff;
/** CREATE_TREE_CONNECTION, OPEN_BY_FILE_ID, RESERVE_OPFILTER (MS-SMB2 3.3.5.9). */
const optionsUnsupported = 0x00102080;
/** What may be asked for: no VOLUME, no DEVICE, nothing past ENCRYPTED (MS-FSCC 2.6). */
const attributesKnown = 0x00007fb7;

/** What is wrong with a CREATE whatever there is by its name (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1). */
export function refuseRequest({ disposition, options, desiredAccess, attributes, shareAccess, impersonation }: CreateRequest): NtStatus {
  if (impersonation > impersonationMax) return NtStatus.BAD_IMPERSONATION_LEVEL;
  if (disposition > dispositionMax || (shareAccess & ~sharingAll) !== 0) return NtStatus.INVALID_PARAMETER;
  if (desiredAccess === 0 || (desiredAccess & accessReserved) !== 0) return NtStatus.ACCESS_DENIED;
  if ((options & ~optionsKnown) !== 0 || (attributes & ~attributesKnown) !== 0) return NtStatus.INVALID_PARAMETER;
  if ((options & optionsUnsupported) !== 0) return NtStatus.NOT_SUPPORTED;
  const directory = (options & CreateOption.DIRECTORY_FILE) !== 0;
  if (directory && (options & CreateOption.NON_DIRECTORY_FILE) !== 0) return NtStatus.INVALID_PARAMETER;
  if (directory && (disposition === Disposition.SUPERSEDE || disposition === Disposition.OVERWRITE || disposition === Disposition.OVERWRITE_IF)) {
    return NtStatus.INVALID_PARAMETER;
  }
  const mayDelete = (desiredAccess & (AccessMask.DELETE | AccessMask.GENERIC_ALL | AccessMask.MAXIMUM_ALLOWED)) !== 0;
  if ((options & CreateOption.DELETE_ON_CLOSE) !== 0 && !mayDelete) return NtStatus.ACCESS_DENIED;
  return (desiredAccess & AccessMask.ACCESS_SYSTEM_SECURITY) !== 0 ? NtStatus.PRIVILEGE_NOT_HELD : NtStatus.SUCCESS;
}

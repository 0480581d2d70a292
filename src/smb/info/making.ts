import { SdControl, type SecurityDescriptor } from "#model/acl.ts";
import type { Inode } from "#model/inode.ts";
import { XattrName } from "#model/inode-flags.ts";
import { decodeSecurityDescriptor } from "#model/security-descriptor.ts";
import type { MakeOptions } from "#vfs/file-system.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { CreateRequest } from "#wire/smb2/create.ts";
import { attributesOf } from "../open/facts.ts";
import { newList } from "../security/descriptors.ts";
import { requestedEas, storedEas } from "./eas.ts";
import { refuseAttributes, settableAttributes } from "./set-file.ts";

/** Contexts of a CREATE (MS-SMB2 2.2.13.2) that say how a new file is made. */
const easContext = "ExtA";
const securityContext = "SecD";

/** How a CREATE makes what there is not yet, or makes anew what it overwrites. */
export interface Making {
  /** DOS attributes; undefined: those of a file nobody gave any. */
  readonly flags: number | undefined;
  readonly options: MakeOptions;
  /** EAs as they are stored; null: none. */
  readonly eas: Uint8Array | null;
}

/** What of a request says how to make a file or directory; a status where it makes no sense. */
export function makingOf(request: CreateRequest, directory: boolean): Making | NtStatus {
  const attributes = directory ? request.attributes & ~FileAttribute.DIRECTORY : request.attributes & ~(FileAttribute.DIRECTORY | FileAttribute.NORMAL);
  if (directory && refuseAttributes(true, attributes) !== NtStatus.SUCCESS) return NtStatus.INVALID_PARAMETER;
  const eas = easOf(request);
  if (typeof eas === "number") return eas;
  const security = securityOf(request);
  if (typeof security === "number") return security;
  const settable = attributes & settableAttributes;
  const flags = directory ? settable : settable | FileAttribute.ARCHIVE;
  const usual = directory ? 0 : FileAttribute.ARCHIVE;
  return {
    flags: flags === usual ? undefined : flags,
    options: {
      caseInsensitive: true,
      secured: true,
      ...(security === null ? null : { security }),
      ...(eas === null ? null : { xattrs: [{ name: XattrName.ea, value: eas }] }),
    },
    eas,
  };
}

function easOf(request: CreateRequest): Uint8Array | null | NtStatus {
  const context = request.contexts.find(({ name }) => name === easContext);
  if (context === undefined || context.data.length === 0) return null;
  const eas = requestedEas(context.data);
  // Those without a value would take away what isn't there.
  return typeof eas === "number" ? eas : storedEas(eas.filter(({ value }) => value.length > 0));
}

/** The descriptor a new file is given: its lists; owner and group are its maker's. */
function securityOf(request: CreateRequest): SecurityDescriptor | null | NtStatus {
  const context = request.contexts.find(({ name }) => name === securityContext);
  if (context === undefined) return null;
  const given = decodeSecurityDescriptor(context.data);
  if (given === null) return NtStatus.INVALID_SECURITY_DESCR;
  // One without a list leaves the list to inheritance.
  if ((given.control & SdControl.daclPresent) === 0) return null;
  const { entries, control } = newList(given);
  return { control, owner: null, group: null, dacl: entries, sacl: null };
}

/** Why a file can't be overwritten by a request with these attributes (MS-FSA 2.1.5.1.2): hidden and system files are by those who know. */
export function refuseOverwrite(inode: Inode, attributes: number): NtStatus {
  const existing = attributesOf(inode);
  if ((existing & FileAttribute.READONLY) !== 0) return NtStatus.ACCESS_DENIED;
  const hiding = existing & (FileAttribute.HIDDEN | FileAttribute.SYSTEM);
  return (hiding & ~attributes) === 0 ? NtStatus.SUCCESS : NtStatus.ACCESS_DENIED;
}

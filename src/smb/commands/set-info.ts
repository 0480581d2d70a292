import { FsError } from "#model/fs-error.ts";
import { FileInfo } from "#wire/fscc.ts";
import { u32, utf16 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeSetInfo, encodeSetInfo, InfoType, type SetInfoRequest } from "#wire/smb2/query.ts";
import type { Call } from "../call.ts";
import { setEas } from "../info/eas.ts";
import { setLink } from "../info/set-link.ts";
import { basicBytes, setAllocation, setBasic, setEndOfFile, setMode, setPosition, setValidDataLength } from "../info/set-file.ts";
import type { Open } from "../open/open.ts";
import { partsOf, resolve } from "../open/path.ts";
import { setSecurity } from "../security/set-security.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

/** SET_INFO (MS-SMB2 3.3.5.21). */
export async function setInfo(call: Call): Promise<number> {
  const request = decodeSetInfo(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  const status = await (request.infoType === InfoType.FILE ? change(open, request) : changeOther(open, request));
  if (status === NtStatus.SUCCESS) encodeSetInfo(call.w);
  return status;
}

function changeOther(open: Open, request: SetInfoRequest): Promise<number> | number {
  return request.infoType === InfoType.SECURITY ? setSecurity(open, request.additional, request.input) : NtStatus.NOT_SUPPORTED;
}

/** One class of information that can be set (MS-FSCC 2.4, MS-SMB2 3.3.5.21.1): shortest input, and the rights of which the open needs one. */
interface SettableClass {
  readonly bytes: number;
  readonly needs: number;
  set(open: Open, input: Uint8Array): Promise<number> | number;
}

const settable: Readonly<Record<number, SettableClass>> = {
  [FileInfo.Basic]: { bytes: basicBytes, needs: AccessMask.WRITE_ATTRIBUTES, set: setBasic },
  [FileInfo.EndOfFile]: { bytes: 8, needs: AccessMask.WRITE_DATA, set: setEndOfFile },
  [FileInfo.Allocation]: { bytes: 8, needs: AccessMask.WRITE_DATA, set: setAllocation },
  [FileInfo.ValidDataLength]: { bytes: 8, needs: AccessMask.WRITE_DATA, set: setValidDataLength },
  [FileInfo.Disposition]: { bytes: 1, needs: AccessMask.DELETE, set: (open, input) => setDeletion(open, (input[0]! & 1) !== 0) },
  [FileInfo.DispositionEx]: { bytes: 4, needs: AccessMask.DELETE, set: (open, input) => setDeletion(open, (input[0]! & 1) !== 0) },
  [FileInfo.Rename]: { bytes: 20, needs: AccessMask.DELETE, set: rename },
  [FileInfo.Link]: { bytes: 20, needs: 0, set: setLink },
  [FileInfo.FullEa]: { bytes: 8, needs: AccessMask.WRITE_EA, set: setEas },
  [FileInfo.Position]: { bytes: 8, needs: AccessMask.READ_DATA | AccessMask.WRITE_DATA, set: setPosition },
  [FileInfo.Mode]: { bytes: 4, needs: 0, set: setMode },
};

function change(open: Open, { infoClass, input }: SetInfoRequest): Promise<number> | number {
  const kind = settable[infoClass];
  if (kind === undefined) return NtStatus.INVALID_INFO_CLASS;
  if (input.length < kind.bytes) return NtStatus.INFO_LENGTH_MISMATCH;
  if (kind.needs !== 0 && (open.access & kind.needs) === 0) return NtStatus.ACCESS_DENIED;
  return kind.set(open, input);
}

async function setDeletion(open: Open, wanted: boolean): Promise<number> {
  const refused = await open.tree.fs!.setDeletion(open.file!, wanted);
  return refused === null ? NtStatus.SUCCESS : ntStatusOf(refused);
}

/** FILE_RENAME_INFORMATION_TYPE_2 (MS-FSCC 2.4.42.2). */
async function rename(open: Open, input: Uint8Array): Promise<number> {
  if (input.length < 20) return NtStatus.INFO_LENGTH_MISMATCH;
  const length = u32(input, 16);
  if (length % 2 !== 0 || length > input.length - 20) return NtStatus.INVALID_PARAMETER;
  const { place, tree } = open;
  if (place === null) return NtStatus.INVALID_PARAMETER;
  const parts = partsOf(utf16(input, 20, length).replace(/^\\/, ""));
  if (typeof parts === "number") return parts;
  if (parts.length === 0) return NtStatus.INVALID_PARAMETER;
  const fs = tree.fs!;
  const who = tree.credentials();
  const to = await resolve(fs, who, parts);
  if (typeof to === "number") return to;
  const name = parts.at(-1)!;
  if (to.inode !== null && to.inode.id !== open.id && input[0] === 0) return NtStatus.OBJECT_NAME_COLLISION;
  const done = await fs.rename(who, place.parent, place.name, to.parent.id, name, open.file);
  if (done instanceof FsError) return ntStatusOf(done);
  open.path = parts.join("\\");
  return NtStatus.SUCCESS;
}

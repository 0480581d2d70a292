import { FileInfo } from "#wire/fscc.ts";
import { u32 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeSetInfo, encodeSetInfo, InfoType, type SetInfoRequest } from "#wire/smb2/query.ts";
import type { Call } from "../call.ts";
import { persist } from "../durable/index.ts";
import { setEas } from "../info/eas.ts";
import { replaceFlag, replaceFlags } from "../info/replacing.ts";
import { setLink } from "../info/set-link.ts";
import { basicBytes, setAllocation, setBasic, setEndOfFile, setMode, setPosition, setValidDataLength } from "../info/set-file.ts";
import type { Open } from "../open/open.ts";
import { setSecurity } from "../security/set-security.ts";
import { toldWhenSlow } from "../pending.ts";
import { fileOf } from "./file-of.ts";
import { DispositionFlag, rename, setDeletion } from "./renaming.ts";

/** SET_INFO (MS-SMB2 3.3.5.21). */
export function setInfo(call: Call): Promise<number> {
  return toldWhenSlow(call, set(call));
}

async function set(call: Call): Promise<number> {
  const request = decodeSetInfo(call.bytes, call.base, call.end);
  if (request === null || request.input.length > call.connection.transactBytesMax) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  const status = await (request.infoType === InfoType.FILE ? change(call, open, request) : changeOther(open, request));
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
  set(open: Open, input: Uint8Array, call: Call): Promise<number> | number;
}

const settable: Readonly<Record<number, SettableClass>> = {
  [FileInfo.Basic]: { bytes: basicBytes, needs: AccessMask.WRITE_ATTRIBUTES, set: setBasic },
  [FileInfo.EndOfFile]: { bytes: 8, needs: AccessMask.WRITE_DATA, set: setEndOfFile },
  [FileInfo.Allocation]: { bytes: 8, needs: AccessMask.WRITE_DATA, set: setAllocation },
  [FileInfo.ValidDataLength]: { bytes: 8, needs: AccessMask.WRITE_DATA, set: setValidDataLength },
  [FileInfo.Disposition]: { bytes: 1, needs: AccessMask.DELETE, set: (open, input, call) => setDeletion(call, open, input[0]! & DispositionFlag.DELETE) },
  [FileInfo.DispositionEx]: { bytes: 4, needs: AccessMask.DELETE, set: (open, input, call) => setDeletion(call, open, u32(input, 0)) },
  [FileInfo.Rename]: { bytes: 20, needs: AccessMask.DELETE, set: (open, input, call) => renameKept(call, open, input, replaceFlag(input)) },
  [FileInfo.RenameEx]: { bytes: 20, needs: AccessMask.DELETE, set: (open, input, call) => renameKept(call, open, input, replaceFlags(input)) },
  [FileInfo.Link]: { bytes: 20, needs: 0, set: (open, input) => setLink(open, input, replaceFlag(input)) },
  [FileInfo.LinkEx]: { bytes: 20, needs: 0, set: (open, input) => setLink(open, input, replaceFlags(input)) },
  [FileInfo.FullEa]: { bytes: 8, needs: AccessMask.WRITE_EA, set: setEas },
  [FileInfo.Position]: { bytes: 8, needs: AccessMask.READ_DATA | AccessMask.WRITE_DATA, set: setPosition },
  [FileInfo.Mode]: { bytes: 4, needs: 0, set: setMode },
};

/** The record of an open that outlives the server tells the new name. Where that fails the old one is not used. */
async function renameKept(call: Call, open: Open, input: Uint8Array, flags: number | null): Promise<number> {
  const status = await rename(call, open, input, flags);
  if (status === NtStatus.SUCCESS && open.durable?.persistent === true) await persist(call.connection.server, open);
  return status;
}

function change(call: Call, open: Open, { infoClass, input }: SetInfoRequest): Promise<number> | number {
  const kind = settable[infoClass];
  if (kind === undefined) return NtStatus.INVALID_INFO_CLASS;
  if (input.length < kind.bytes) return NtStatus.INFO_LENGTH_MISMATCH;
  if (kind.needs !== 0 && (open.access & kind.needs) === 0) return NtStatus.ACCESS_DENIED;
  return kind.set(open, input, call);
}

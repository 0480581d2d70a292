import { NtStatus } from "#wire/ntstatus.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import { closePostQueryAttributes, decodeClose, encodeClose } from "#wire/smb2/create.ts";
import type { Call } from "../call.ts";
import { closeOpen } from "../open/closing.ts";
import { openedFacts } from "../info/known.ts";
import { settleWriteTime } from "../open/write-times.ts";
import { fileOf } from "./file-of.ts";

/** CLOSE (MS-SMB2 3.3.5.10). */
export async function close(call: Call): Promise<number> {
  const flags = decodeClose(call.bytes, call.base, call.end);
  if (flags < 0) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, call.base + headerBytes + 8);
  if (typeof open === "number") return open;
  if (open.pipe === null) await settleWriteTime(open);
  const told = (flags & closePostQueryAttributes) === 0 || open.pipe !== null ? null : await openedFacts(open);
  await closeOpen(call.connection.server, open);
  encodeClose(call.w, told === null || typeof told === "number" ? null : told.facts);
  return NtStatus.SUCCESS;
}

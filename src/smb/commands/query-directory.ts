import { FsError } from "#model/fs-error.ts";
import { entryBytes, encodeEntry } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeQueryDirectory, encodeOutputHeader, outputHeaderBytes, QueryDirectoryFlag } from "#wire/smb2/query.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import type { Call } from "../call.ts";
import { factsOf } from "../open/facts.ts";
import { matcher } from "../open/wildcard.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

/** QUERY_DIRECTORY (MS-SMB2 3.3.5.18). */
export async function queryDirectory(call: Call): Promise<number> {
  const request = decodeQueryDirectory(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  const { infoClass, flags } = request;
  if (entryBytes(infoClass, "") === 0) return NtStatus.INVALID_INFO_CLASS;
  if (!open.directory) return NtStatus.INVALID_PARAMETER;
  if ((open.access & AccessMask.READ_DATA) === 0) return NtStatus.ACCESS_DENIED;
  const room = Math.min(request.outputBytesMax, call.connection.server.transferBytesMax);
  if (room < entryBytes(infoClass, "")) return NtStatus.INFO_LENGTH_MISMATCH;
  if (open.scan === null || (flags & (QueryDirectoryFlag.RESTART_SCANS | QueryDirectoryFlag.REOPEN)) !== 0) {
    if (request.pattern === "") return NtStatus.OBJECT_NAME_INVALID;
    open.scan = { pattern: request.pattern, cookie: 0, verifier: new Uint8Array(8), ended: false, gave: false };
  }
  const { scan } = open;
  const single = (flags & QueryDirectoryFlag.RETURN_SINGLE_ENTRY) !== 0;
  const matches = matcher(scan.pattern);
  const { w } = call;
  const fs = open.tree.fs!;
  encodeOutputHeader(w, 0);
  const from = w.at;
  let lastAt = -1;
  let full = false;
  while (!scan.ended && !full && !(single && lastAt >= 0)) {
    let budget = 256;
    const page = await fs.readdir(open.tree.credentials(), open.id, scan.cookie, scan.verifier, true, () => budget-- > 0);
    if (page instanceof FsError) return ntStatusOf(page);
    scan.verifier = page.verifier;
    for (const entry of page.entries) {
      if (entry.inode !== null && matches(entry.name)) {
        const at = from + ((w.at - from + 7) & ~7);
        if (at - from + entryBytes(infoClass, entry.name) > room) {
          full = true;
          break;
        }
        w.align(8, from);
        encodeEntry(w, infoClass, entry.name, factsOf(entry.inode));
        if (lastAt >= 0) w.setU32(lastAt, at - lastAt);
        lastAt = at;
      }
      scan.cookie = entry.cookie;
      if (single && lastAt >= 0) break;
    }
    if (!full && !(single && lastAt >= 0) && (page.end || page.entries.length === 0)) scan.ended = true;
  }
  if (lastAt < 0) return full ? NtStatus.INFO_LENGTH_MISMATCH : scan.gave ? NtStatus.NO_MORE_FILES : NtStatus.NO_SUCH_FILE;
  scan.gave = true;
  w.setU16(from - outputHeaderBytes + 2, headerBytes + outputHeaderBytes);
  w.setU32(from - 4, w.at - from);
  return NtStatus.SUCCESS;
}

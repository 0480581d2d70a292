import { FsError } from "#model/fs-error.ts";
import type { Removed } from "#vfs/file-system.ts";
import { NfsStat3, wccDataBytes } from "#wire/nfs3.ts";
import { writeChange } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith } from "./reply.ts";

/** The answer REMOVE and RMDIR share. */
export function answerRemoved(call: Call, result: Removed | FsError): void {
  if (result instanceof FsError) return failWith(call, result);
  const w = call.begin();
  w.reserve(4 + wccDataBytes);
  w.u32(NfsStat3.NFS3_OK);
  writeChange(w, result.directory, call.view);
  call.end();
}

import { FsError } from "#model/fs-error.ts";
import { NfsStat3 } from "#wire/nfs3.ts";
import { writePostOp } from "../attributes.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, statusAndAttributesBytes } from "./reply.ts";

/** FSSTAT (RFC 1813 §3.3.18). */
export const fsstat = (settings: Nfs3Settings) =>
  procedure("FSSTAT", FailureBody.attributes, false, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const inode = await fs.getattr(idOf(call));
    if (inode instanceof FsError) return failWith(call, inode);
    const usage = await fs.usage();
    const w = call.begin();
    w.reserve(statusAndAttributesBytes + 52);
    w.u32(NfsStat3.NFS3_OK);
    writePostOp(w, inode, call.view);
    w.u64(shown(usage.totalBytes));
    w.u64(shown(usage.freeBytes));
    w.u64(shown(usage.availableBytes));
    w.u64(shown(usage.totalFiles));
    w.u64(shown(usage.freeFiles));
    w.u64(shown(usage.freeFiles));
    // invarsec: how long these figures hold; they change at any time.
    w.u32(0);
    call.end();
  });

/** A figure without a bound is shown as the largest there is. */
function shown(value: number): number {
  return Math.max(0, Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER));
}

import type { Inode } from "#model/inode.ts";
import { encodeFileTime } from "#wire/filetime.ts";
import { LeWriter } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";

/** SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST (MS-SMB2 2.2.13.2.5). */
export const maximalAccessContext = "MxAc";
const timestampBytes = 8;
/** The client knows the file as it is, and its rights with that. */
const noneMapped = 0xc0000073;

/** The answer to it: a status and the rights (MS-SMB2 2.2.14.2.5). */
export function maximalAccessAnswer(asked: Uint8Array, inode: Inode, maximal: number): Uint8Array {
  const data = new Uint8Array(8);
  const view = new DataView(data.buffer);
  if (asked.length === timestampBytes && sameTime(asked, inode)) view.setUint32(0, noneMapped, true);
  else {
    view.setUint32(0, NtStatus.SUCCESS, true);
    view.setUint32(4, maximal, true);
  }
  return data;
}

function sameTime(asked: Uint8Array, inode: Inode): boolean {
  const target = { bytes: new Uint8Array(timestampBytes), length: 0 };
  const w = new LeWriter();
  w.attach(target);
  encodeFileTime(w, inode.mtime);
  return target.bytes.every((byte, i) => byte === asked[i]);
}

import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { Written } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeWrite, encodeWrite, Transfer, writeFlagThrough } from "#wire/smb2/io.ts";
import { AppleStream, openedAppleStream, writeAfpInfo } from "../aapl/index.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { writing } from "../open/write-times.ts";
import type { Pipe } from "../pipe/pipe.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

const transfer = new Transfer();
/** Where a file's last byte may lie: as far as on NTFS with its usual clusters, which clients reckon with. */
const fileEndMax = 2 ** 44 - 65_536;
const farBytes = 2 ** 40;

/** WRITE (MS-SMB2 3.3.5.13): answered once it is accepted; durable by FLUSH, or before its answer where it is written through. */
export function write(call: Call): Maybe<number> {
  if (!decodeWrite(call.bytes, call.base, call.end, transfer)) return NtStatus.INVALID_PARAMETER;
  const { length, offset, fileIdAt, flags, dataOffset } = transfer;
  if (length > call.connection.transferBytesMax || offset < 0) return NtStatus.INVALID_PARAMETER;
  const payload = payloadOf(call, dataOffset, length);
  if (payload === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return writePipe(call, open.pipe, payload, length);
  if (open.directory) return NtStatus.INVALID_DEVICE_REQUEST;
  if ((open.access & (AccessMask.WRITE_DATA | AccessMask.APPEND_DATA)) === 0) return NtStatus.ACCESS_DENIED;
  if (length === 0) return answer(call, null, 0);
  if (offset + length > fileEndMax) return NtStatus.INVALID_PARAMETER;
  const through = (flags & writeFlagThrough) !== 0;
  writing(open, open.tree.fs!.cached(open.id), call.connection.server.clock.monotonicMs());
  if (open.id !== open.ownerId && openedAppleStream(open) === AppleStream.info) return writeInfo(call, open, offset, payload, length, through);
  if (offset >= farBytes) return writeFar(call, open, offset, payload, length, through);
  const written = put(open, offset, payload, length, through);
  if (written instanceof Promise) return written.then((late) => answer(call, late, length));
  return answer(call, written, length);
}

function put(open: Open, offset: number, payload: readonly Uint8Array[], length: number, through: boolean): Maybe<Written | FsError> {
  return open.tree.fs!.write(open.credentials(), open.id, offset, payload, length, through, open.file);
}

function answer(call: Call, written: Written | FsError | null, length: number): number {
  if (written instanceof FsError) return ntStatusOf(written);
  call.count = length;
  encodeWrite(call.w, length);
  return NtStatus.SUCCESS;
}

async function writeInfo(call: Call, open: Open, offset: number, payload: readonly Uint8Array[], length: number, through: boolean): Promise<number> {
  const status = await writeAfpInfo(open, offset, Buffer.concat(payload), through);
  return status === NtStatus.SUCCESS ? answer(call, null, length) : status;
}

/** NTFS gives a file room up to its end: a write that far behind the end of one is refused where the share had not that much. */
async function writeFar(call: Call, open: Open, offset: number, payload: readonly Uint8Array[], length: number, through: boolean): Promise<number> {
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (offset - inode.size >= farBytes && offset - inode.size > (await fs.usage()).availableBytes) return NtStatus.DISK_FULL;
  return answer(call, await put(open, offset, payload, length, through), length);
}

/** `length` bytes from `offset` behind the header, as the slices they were received in; null where the message is shorter. */
function payloadOf(call: Call, offset: number, length: number): Uint8Array[] | null {
  const from = call.base + offset;
  const inHead = Math.max(0, call.end - from);
  if (length > inHead + call.tailBytes || (from > call.end && length > 0)) return null;
  const slices: Uint8Array[] = [];
  let left = length;
  if (inHead > 0 && left > 0) {
    const take = Math.min(inHead, left);
    slices.push(call.bytes.subarray(from, from + take));
    left -= take;
  }
  for (let i = 0; left > 0; i++) {
    const slice = call.tail[i]!;
    slices.push(slice.length <= left ? slice : slice.subarray(0, left));
    left -= Math.min(left, slice.length);
  }
  return slices;
}

function writePipe(call: Call, pipe: Pipe, payload: readonly Uint8Array[], length: number): number {
  if (!pipe.write(Buffer.concat(payload))) return NtStatus.PIPE_DISCONNECTED;
  encodeWrite(call.w, length);
  return NtStatus.SUCCESS;
}

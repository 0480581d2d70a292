import type { Maybe } from "#base/brand.ts";
import { encodeNotifyEntries } from "#wire/fscc-notify.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import { decodeChangeNotify, encodeOutputHeader, notifyWatchTree, outputHeaderBytes } from "#wire/smb2/query.ts";
import type { Call } from "../call.ts";
import { DirectoryWatch, type Notified, type Waiter } from "../open/directory-watch.ts";
import { fileOf } from "./file-of.ts";

/** CHANGE_NOTIFY (MS-SMB2 3.3.5.19). */
export function changeNotify(call: Call): Maybe<number> {
  const request = decodeChangeNotify(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  const { outputBytesMax, flags, filter } = request;
  if (open.pipe !== null || !open.directory || outputBytesMax > call.connection.transactBytesMax) return NtStatus.INVALID_PARAMETER;
  if ((open.access & AccessMask.READ_DATA) === 0) return NtStatus.ACCESS_DENIED;
  if (open.deletePending) return NtStatus.DELETE_PENDING;
  const watch = (open.watch ??= new DirectoryWatch(open, (flags & notifyWatchTree) !== 0, filter, outputBytesMax));
  const now = watch.take();
  return now === null ? waitFor(call, watch, outputBytesMax) : answer(call, now, outputBytesMax);
}

function waitFor(call: Call, watch: DirectoryWatch, room: number): Maybe<number> {
  let waiter: Waiter = () => {};
  const told = new Promise<Notified>((resolve) => (waiter = resolve));
  if (!watch.wait(waiter)) return NtStatus.INSUFFICIENT_RESOURCES;
  if (call.pend(() => watch.leave(waiter, NtStatus.CANCELLED)) !== null) return told.then((notified) => answer(call, notified, room));
  watch.leave(waiter, NtStatus.CANCELLED);
  return NtStatus.INSUFFICIENT_RESOURCES;
}

function answer(call: Call, notified: Notified, room: number): number {
  if (typeof notified === "number" && notified !== NtStatus.NOTIFY_ENUM_DIR) return notified;
  const { w } = call;
  encodeOutputHeader(w, 0);
  const from = w.at;
  if (typeof notified !== "number" && encodeNotifyEntries(w, notified, room)) {
    w.setU16(from - outputHeaderBytes + 2, headerBytes + outputHeaderBytes);
    w.setU32(from - 4, w.at - from);
    return NtStatus.SUCCESS;
  }
  // More happened than there is room for: the client lists the directory anew. No error (MS-SMB2 3.3.4.4).
  w.reserve(1);
  w.u8(0);
  call.hasBody = true;
  return NtStatus.NOTIFY_ENUM_DIR;
}

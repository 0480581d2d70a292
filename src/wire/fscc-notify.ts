import type { LeWriter } from "./le.ts";

/** FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1): next entry, action, bytes of the name, the name. */
const entryFixedBytes = 12;
const entryAlignment = 4;

export interface NotifyEntry {
  readonly action: number;
  readonly name: string;
}

/** Writes the entries; false where they take more than `room` bytes, and then nothing. */
export function encodeNotifyEntries(w: LeWriter, entries: readonly NotifyEntry[], room: number): boolean {
  let bytes = 0;
  for (const { name } of entries) bytes = aligned(bytes) + entryFixedBytes + name.length * 2;
  if (bytes > room) return false;
  w.reserve(bytes);
  const from = w.at;
  let lastAt = -1;
  for (const { action, name } of entries) {
    w.align(entryAlignment, from);
    if (lastAt >= 0) w.setU32(lastAt, w.at - lastAt);
    lastAt = w.at;
    w.u32(0);
    w.u32(action);
    w.u32(name.length * 2);
    w.utf16(name);
  }
  return true;
}

function aligned(at: number): number {
  return (at + entryAlignment - 1) & ~(entryAlignment - 1);
}

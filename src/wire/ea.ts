import { u16, u32 } from "./le.ts";

/** Extended attributes as SMB sends them (MS-FSCC 2.4.15), and as a file's are kept: a chain of entries, each aligned to 4 bytes. */
export interface Ea {
  /** Printable ASCII. */
  readonly name: string;
  /** The client can't do with the file what it means to without knowing this one (FILE_NEED_EA). */
  readonly flags: number;
  readonly value: Uint8Array;
}

/** Longest chain that is read or kept. */
export const easBytesMax = 65_535;
const entryHeaderBytes = 8;

/** What a chain is: its entries, or where (byte offset) it stops making sense. */
export type EaChain = { readonly eas: readonly Ea[] } | { readonly wrongAt: number };

/** A FILE_FULL_EA_INFORMATION chain; values are views of `b`. */
export function decodeEas(b: Uint8Array): EaChain {
  const eas: Ea[] = [];
  if (b.length > easBytesMax) return { wrongAt: 0 };
  for (let at = 0; ; ) {
    if (at + entryHeaderBytes > b.length) return { wrongAt: at };
    const next = u32(b, at);
    const limit = next === 0 ? b.length : at + next;
    const nameBytes = b[at + 5]!;
    const valueAt = at + entryHeaderBytes + nameBytes + 1;
    const end = valueAt + u16(b, at + 6);
    // The chain only leads on: entries are no shorter than their header.
    if (limit > b.length || (next !== 0 && (next % 4 !== 0 || next < entryHeaderBytes)) || end > limit || b[valueAt - 1] !== 0) return { wrongAt: at };
    eas.push({ name: latin1(b, at + entryHeaderBytes, nameBytes), flags: b[at + 4]!, value: b.subarray(valueAt, end) });
    if (next === 0) return { eas };
    at = limit;
  }
}

/** The names of a FILE_GET_EA_INFORMATION chain (MS-FSCC 2.4.15.1); null where it is malformed. */
export function decodeEaNames(b: Uint8Array): readonly string[] | null {
  const names: string[] = [];
  if (b.length > easBytesMax) return null;
  for (let at = 0; ; ) {
    if (at + 6 > b.length) return null;
    const next = u32(b, at);
    const limit = next === 0 ? b.length : at + next;
    const nameBytes = b[at + 4]!;
    if (limit > b.length || (next !== 0 && (next % 4 !== 0 || next < 6)) || at + 5 + nameBytes + 1 > limit) return null;
    names.push(latin1(b, at + 5, nameBytes));
    if (next === 0) return names;
    at = limit;
  }
}

function latin1(b: Uint8Array, at: number, length: number): string {
  return Buffer.from(b.buffer, b.byteOffset + at, length).toString("latin1");
}

function entryBytes(ea: Ea): number {
  return entryHeaderBytes + ea.name.length + 1 + ea.value.length;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

/** The chain of as many of `eas`, in order, as have room in `room` bytes, and how many those are. */
export function encodeEas(eas: readonly Ea[], room = Number.POSITIVE_INFINITY): { readonly bytes: Uint8Array; readonly count: number } {
  let length = 0;
  let count = 0;
  for (; count < eas.length; count++) {
    const end = aligned(length) + entryBytes(eas[count]!);
    if (end > room) break;
    length = end;
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const ea = eas[i]!;
    const next = aligned(entryBytes(ea));
    view.setUint32(at, i === count - 1 ? 0 : next, true);
    bytes[at + 4] = ea.flags;
    bytes[at + 5] = ea.name.length;
    view.setUint16(at + 6, ea.value.length, true);
    Buffer.from(bytes.buffer, bytes.byteOffset).write(ea.name, at + entryHeaderBytes, "latin1");
    bytes.set(ea.value, at + entryHeaderBytes + ea.name.length + 1);
    at += next;
  }
  return { bytes, count };
}

/** What FileEaInformation tells of a file's EAs: bytes of the list that older systems kept; 0: it has none. */
export function eaListBytes(eas: readonly Ea[]): number {
  let total = eas.length === 0 ? 0 : 4;
  for (const ea of eas) total += 4 + ea.name.length + 1 + ea.value.length;
  return total;
}

/** Whether a name may be given to an EA: printable ASCII but for what stands for something else in names and paths. */
export function isEaName(name: string): boolean {
  // eslint-disable-next-line no-control-regex
  return name.length > 0 && !/[\x00-\x1f"*+,/:;<=>?[\\\]|\x7f-\xff]/.test(name);
}

/** `eas` with `changes` made: those with a value come or replace their namesake in any case, those without take it away. */
export function changedEas(eas: readonly Ea[], changes: readonly Ea[]): readonly Ea[] {
  const result = [...eas];
  for (const change of changes) {
    const folded = change.name.toUpperCase();
    const at = result.findIndex((each) => each.name.toUpperCase() === folded);
    if (change.value.length === 0) {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = { ...change, name: result[at]!.name };
    else result.push(change);
  }
  return result;
}

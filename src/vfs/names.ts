import type { FsError } from "#model/fs-error.ts";
import { nameBytesMax } from "#model/ids.ts";
import { exists, invalid, nameTooLong } from "./errors.ts";

/** UTF-8 bytes of a well-formed string. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // A surrogate pair is four bytes for two units, anything else above 0x7ff three for one.
    bytes += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 1 : 2;
  }
  return bytes;
}

export function isDots(name: string): boolean {
  return name === "." || name === "..";
}

/** Why no entry can have this name, or null. "." and ".." are names here: each operation has its own answer to them. */
export function judgeName(name: string): FsError | null {
  if (name.length === 0) return invalid;
  if (name.length > nameBytesMax) return nameTooLong;
  if (name.length * 3 > nameBytesMax && utf8Bytes(name) > nameBytesMax) return nameTooLong;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit === 0x2f || unit === 0) return invalid;
  }
  return name.isWellFormed() ? null : invalid;
}

/** For an operation that makes an entry: the dots are there already. */
export function judgeNewName(name: string): FsError | null {
  return isDots(name) ? exists : judgeName(name);
}

/** For REMOVE and RMDIR: RFC 1813 §3.3.13 has INVAL for "." and EXIST for "..". */
export function judgeRemovedName(name: string): FsError | null {
  if (name === ".") return invalid;
  return name === ".." ? exists : judgeName(name);
}

/** For both names of a RENAME: the dots can't move (RFC 1813 §3.3.14). */
export function judgeRenamedName(name: string): FsError | null {
  return isDots(name) ? invalid : judgeName(name);
}

import { Right } from "#model/acl.ts";
import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Open } from "../open/open.ts";
import { ntStatusOf } from "../status.ts";
import { afpInfoBytes, emptyAfpInfo, finderInfoAt, isAfpInfo, saysNothing } from "./afp-streams.ts";

/** Less is not even the beginning of one. */
const writtenBytesMin = 3;
/** The last byte a read may begin at; one too many, as macOS' server has it. */
const readFromMax = afpInfoBytes;

/** What is there, or what counts as there. */
async function stored(open: Open): Promise<Uint8Array | FsError> {
  // Who may only write it has what he writes put together with it.
  const who = { ...open.credentials(), opened: open.access | Right.readData };
  const read = await open.tree.fs!.read(who, open.id, 0, afpInfoBytes, open.file);
  if (read instanceof FsError) return read;
  // What is read may be given back while it is still in use.
  const bytes = Buffer.concat(read.data.slices);
  read.data.release();
  return read.inode.size === afpInfoBytes && bytes.length === afpInfoBytes ? bytes : emptyAfpInfo();
}

/** What a READ of an open AFP_AfpInfo gives: always from its beginning. Null: it began behind the end. */
export async function readAfpInfo(open: Open, offset: number, length: number): Promise<Uint8Array | FsError | null> {
  if (offset > readFromMax) return null;
  const bytes = await stored(open);
  return bytes instanceof FsError ? bytes : bytes.subarray(0, length);
}

/**
 * Writes an open AFP_AfpInfo. Wherever it is written, it is written from its beginning, and has to be one; what it is longer than that is
 * left out. Without anything of Finder's in it, the stream is empty from then on.
 */
export async function writeAfpInfo(open: Open, offset: number, written: Uint8Array, through: boolean): Promise<number> {
  if (written.length < writtenBytesMin || (offset !== 0 && written.length < afpInfoBytes)) return NtStatus.INVALID_PARAMETER;
  const bytes = emptyAfpInfo();
  const head = Math.min(written.length, finderInfoAt);
  bytes.set(written.subarray(0, head));
  if (!isAfpInfo(bytes)) return NtStatus.INVALID_PARAMETER;
  // Of Finder's information it says nothing.
  if (written.length <= finderInfoAt) return NtStatus.SUCCESS;
  if (written.length < afpInfoBytes) {
    const before = await stored(open);
    if (before instanceof FsError) return ntStatusOf(before);
    bytes.set(before.subarray(finderInfoAt), finderInfoAt);
  }
  bytes.set(written.subarray(0, afpInfoBytes));
  return saysNothing(bytes) ? empty(open) : put(open, bytes, through);
}

async function empty(open: Open): Promise<number> {
  const done = await open.tree.fs!.setattr(open.credentials(), open.id, { size: 0 }, null, open.file);
  return done instanceof FsError ? ntStatusOf(done) : NtStatus.SUCCESS;
}

async function put(open: Open, bytes: Uint8Array, through: boolean): Promise<number> {
  const fs = open.tree.fs!;
  const done = await fs.write(open.credentials(), open.id, 0, [bytes], afpInfoBytes, through, open.file);
  if (done instanceof FsError) return ntStatusOf(done);
  // One that was longer was made by other means than ours.
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError || inode.size === afpInfoBytes) return NtStatus.SUCCESS;
  const cut = await fs.setattr(open.credentials(), open.id, { size: afpInfoBytes }, null, open.file);
  return cut instanceof FsError ? ntStatusOf(cut) : NtStatus.SUCCESS;
}

/** A size set on an open AFP_AfpInfo: it has one alone, and keeps it. */
export function sizeAfpInfo(size: number): number {
  return size > afpInfoBytes ? NtStatus.ALLOTTED_SPACE_EXCEEDED : NtStatus.SUCCESS;
}

import { fileHandleBytes } from "#model/file-handle.ts";
import { FsError } from "#model/fs-error.ts";
import type { Listing } from "#vfs/file-system.ts";
import { fattr3Bytes, fhBytesMax, NfsStat3, postOpAttrBytes, verifierBytes } from "#wire/nfs3.ts";
import { writeAttributes, writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { fail, failWith } from "./reply.ts";

/** A listing's answer is never longer, however much a client allows: it is made without a pause. */
const listingBytesMax = 256 * 1024;

/** READDIR3resok and READDIRPLUS3resok without entries: attributes, verifier, the end of the list, eof. */
const listingFixedBytes = postOpAttrBytes + verifierBytes + 4 + 4;
/** entry3 without its name's bytes: that it follows, fileid, the name's length, cookie. */
const entryFixedBytes = 4 + 8 + 4 + 8;
/** What entryplus3 has more: post_op_attr and post_op_fh3. */
const plusBytes = postOpAttrBytes + 4 + 4 + fileHandleBytes;

/** Adds up a listing's entries as they will be encoded, and says where the next one does not fit. */
export class ListingBudget {
  private left: number;
  private directoryLeft: number;
  private readonly plus: boolean;

  /**
   * `maxcount` bounds the whole resok; `dircount` the entries without attributes and handles (RFC 1813 §3.3.17), Infinity for
   * READDIR.
   */
  constructor(maxcount: number, dircount: number, plus: boolean) {
    this.left = Math.min(maxcount, listingBytesMax) - listingFixedBytes;
    this.directoryLeft = dircount;
    this.plus = plus;
  }

  readonly accept = (name: string): boolean => {
    const entry = entryFixedBytes + ((Buffer.byteLength(name) + 3) & ~3);
    const whole = this.plus ? entry + plusBytes : entry;
    if (whole > this.left || entry > this.directoryLeft) return false;
    this.left -= whole;
    this.directoryLeft -= entry;
    return true;
  };
}

/** READDIR3resok, or READDIRPLUS3resok, whose entries have attributes and handles. */
function answer(call: Call, listing: Listing | FsError, plus: boolean): void {
  if (listing instanceof FsError) return failWith(call, listing);
  const entries = listing.entries;
  if (entries.length === 0 && !listing.end) return fail(call, NfsStat3.NFS3ERR_TOOSMALL);
  const view = call.view!;
  const w = call.begin();
  w.reserve(4 + listingFixedBytes);
  w.u32(NfsStat3.NFS3_OK);
  writePostOp(w, listing.directory, view);
  w.fixedOpaque(listing.verifier);
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    w.reserve(12);
    w.u32(1);
    w.u64(entry.id);
    w.string(entry.name);
    w.reserve(plus ? 8 + 4 + fattr3Bytes + 8 + fhBytesMax : 8);
    w.u64(entry.cookie);
    if (!plus) continue;
    const inode = entry.inode;
    if (inode === null) {
      w.u32(0);
      w.u32(0);
      continue;
    }
    w.u32(1);
    writeAttributes(w, inode, view);
    w.u32(1);
    w.opaque(view.fs.handleOf(inode));
  }
  w.reserve(8);
  w.u32(0);
  w.u32(listing.end ? 1 : 0);
  call.end();
}

export const answerNames = (call: Call, listing: Listing | FsError): void => answer(call, listing, false);
export const answerPlus = (call: Call, listing: Listing | FsError): void => answer(call, listing, true);

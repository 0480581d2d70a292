import { fileHandleBytes } from "#model/file-handle.ts";
import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { Listing } from "#vfs/file-system.ts";
import { fattr3Bytes, fhBytesMax, NfsStat3, postOpAttrBytes, verifierBytes } from "#wire/nfs3.ts";
import { XdrFailure, type XdrReader } from "#wire/xdr-reader.ts";
import { writeAttributes, writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { fail, failWith, idOf, locate, type Nfs3Settings, refuse, settle, whoOf } from "./reply.ts";

/** A listing's answer is never longer, however much a client allows: it is made without a pause. */
const listingBytesMax = 256 * 1024;

/** READDIR3resok and READDIRPLUS3resok without entries: attributes, verifier, the end of the list, eof. */
const listingFixedBytes = postOpAttrBytes + verifierBytes + 4 + 4;
/** entry3 without its name's bytes: that it follows, fileid, the name's length, cookie. */
const entryFixedBytes = 4 + 8 + 4 + 8;
/** What entryplus3 has more: post_op_attr and post_op_fh3. */
const plusBytes = postOpAttrBytes + 4 + 4 + fileHandleBytes;

/** Adds up a listing's entries as they will be encoded, and says where the next one does not fit. */
class ListingBudget {
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

/** READDIR, or with `plus` READDIRPLUS. */
export function list(call: Call, args: XdrReader, settings: Nfs3Settings, plus: boolean): void | Promise<void> {
  const fs = locate(call, args, settings);
  if (fs === null) return;
  const cookie = args.u64();
  const verifier = args.fixedCopy(verifierBytes);
  const dircount = plus ? args.u32() : Number.POSITIVE_INFINITY;
  const budget = new ListingBudget(args.u32(), dircount, plus);
  if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
  if (cookie > fileSizeMax) return fail(call, NfsStat3.NFS3ERR_BAD_COOKIE);
  return settle(call, fs.readdir(whoOf(call), idOf(call), cookie, verifier, plus, budget.accept), plus ? answerPlus : answer);
}

const answer = (call: Call, listing: Listing | FsError): void => answered(call, listing, false);
const answerPlus = (call: Call, listing: Listing | FsError): void => answered(call, listing, true);

function answered(call: Call, listing: Listing | FsError, plus: boolean): void {
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
    w.reserve(8 + 4 + fattr3Bytes + 8 + fhBytesMax);
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

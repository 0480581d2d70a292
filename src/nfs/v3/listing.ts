import { fileHandleBytes } from "#model/file-handle.ts";
import { postOpAttrBytes, verifierBytes } from "#wire/nfs3.ts";

/** A listing's answer is never longer, however much a client allows: it is made without a pause. */
const listingBytesMax = 256 * 1024;

/** READDIR3resok and READDIRPLUS3resok without entries: attributes, verifier, the end of the list, eof. */
export const listingFixedBytes = postOpAttrBytes + verifierBytes + 4 + 4;
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

import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { Listing } from "#vfs/file-system.ts";
import { fattr3Bytes, fhBytesMax, NfsStat3, verifierBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writeAttributes, writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { ListingBudget, listingFixedBytes } from "./listing.ts";
import { fail, failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, whoOf } from "./reply.ts";

/** READDIRPLUS (RFC 1813 §3.3.17). */
export const readdirplus = (settings: Nfs3Settings) =>
  procedure("READDIRPLUS", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const cookie = args.u64();
    const verifier = args.fixedCopy(verifierBytes);
    const dircount = args.u32();
    const maxcount = args.u32();
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (cookie > fileSizeMax) return fail(call, NfsStat3.NFS3ERR_BAD_COOKIE);
    const budget = new ListingBudget(maxcount, dircount, true);
    return settle(call, fs.readdir(whoOf(call), idOf(call), cookie, verifier, true, budget.accept), answer);
  });

function answer(call: Call, listing: Listing | FsError): void {
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

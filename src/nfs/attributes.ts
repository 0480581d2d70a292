import { type FileId, fileSizeMax } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { FileType } from "#model/inode.ts";
import { Time } from "#base/time.ts";
import type { AttributeRequest, Change } from "#vfs/file-system.ts";
import { decodeSattr3, FType3, NfsStat3, Sattr3, TimeHow } from "#wire/nfs3.ts";
import { XdrFailure, type XdrReader } from "#wire/xdr-reader.ts";
import type { XdrWriter } from "#wire/xdr-writer.ts";
import type { ShareView } from "./client.ts";

/** Attributes on the wire (RFC 1813 §2.6). The writers here expect that their caller reserved the room. */

const typeTable = {
  [FileType.regular]: FType3.NF3REG,
  [FileType.directory]: FType3.NF3DIR,
  [FileType.block]: FType3.NF3BLK,
  [FileType.character]: FType3.NF3CHR,
  [FileType.symlink]: FType3.NF3LNK,
  [FileType.socket]: FType3.NF3SOCK,
  [FileType.fifo]: FType3.NF3FIFO,
} satisfies Record<FileType, number>;
const types: readonly number[] = Array.from({ length: 8 }, (_, type) => typeTable[type as FileType] ?? 0);

/** nfstime3 holds seconds from 1970 to 2106: times outside are shown as the nearest it can. */
const secMax = 0xffffffff;

function writeTime(w: XdrWriter, time: Time): void {
  const sec = time.sec;
  w.u32(sec < 0 ? 0 : sec > secMax ? -1 : sec);
  w.u32(time.nsec);
}

export function writeAttributes(w: XdrWriter, inode: Inode, view: ShareView): void {
  w.u32(types[inode.type]!);
  w.u32(inode.mode);
  w.u32(inode.links);
  w.u32(inode.uid);
  w.u32(inode.gid);
  w.u64(inode.size);
  w.u64(inode.used);
  w.u32(inode.deviceMajor);
  w.u32(inode.deviceMinor);
  w.u32(view.fsidHigh);
  w.u32(view.fsidLow);
  w.u64(inode.id);
  writeTime(w, inode.atime);
  writeTime(w, inode.mtime);
  writeTime(w, inode.ctime);
}

/** post_op_attr. */
export function writePostOp(w: XdrWriter, inode: Inode | null, view: ShareView | null): void {
  if (inode === null || view === null) {
    w.u32(0);
    return;
  }
  w.u32(1);
  writeAttributes(w, inode, view);
}

/** wcc_data. */
function writeWcc(w: XdrWriter, before: Inode | null, after: Inode | null, view: ShareView | null): void {
  if (before === null) {
    w.u32(0);
  } else {
    w.u32(1);
    w.u64(before.size);
    writeTime(w, before.mtime);
    writeTime(w, before.ctime);
  }
  writePostOp(w, after, view);
}

export function writeChange(w: XdrWriter, change: Change, view: ShareView | null): void {
  writeWcc(w, change.before, change.after, view);
}

/** post_op_attr of a file as far as it is known without waiting. */
export function writeCachedPostOp(w: XdrWriter, id: FileId | 0, view: ShareView | null): void {
  writePostOp(w, cached(id, view), view);
}

/** wcc_data after an operation that changed nothing: the object is now what it was before. */
export function writeUnchangedWcc(w: XdrWriter, id: FileId | 0, view: ShareView | null): void {
  const inode = cached(id, view);
  writeWcc(w, inode, inode, view);
}

function cached(id: FileId | 0, view: ShareView | null): Inode | null {
  return view === null || id === 0 ? null : view.fs.cached(id);
}

const sattr = new Sattr3();

/**
 * Decodes a sattr3. A value our files can't have gives the status to refuse it with; where the bytes are no sattr3 `r.failure` is
 * set and the result means nothing.
 */
export function readAttributeRequest(r: XdrReader): AttributeRequest | NfsStat3 {
  decodeSattr3(r, sattr);
  if (r.failure !== XdrFailure.none) return NfsStat3.NFS3ERR_INVAL;
  if (sattr.size > fileSizeMax) return NfsStat3.NFS3ERR_FBIG;
  const request: { -readonly [K in keyof AttributeRequest]: AttributeRequest[K] } = {};
  // The file type's bits may stand in a mode (RFC 1813 §2.5 defines the lower twelve only).
  if (sattr.mode >= 0) request.mode = sattr.mode & 0o7777;
  if (sattr.uid >= 0) request.uid = sattr.uid;
  if (sattr.gid >= 0) request.gid = sattr.gid;
  if (sattr.size >= 0) request.size = sattr.size;
  if (sattr.atimeHow === TimeHow.SET_TO_SERVER_TIME) request.atime = "now";
  else if (sattr.atimeHow === TimeHow.SET_TO_CLIENT_TIME) {
    if (sattr.atimeNsec >= 1_000_000_000) return NfsStat3.NFS3ERR_INVAL;
    request.atime = new Time(sattr.atimeSec, sattr.atimeNsec);
  }
  if (sattr.mtimeHow === TimeHow.SET_TO_SERVER_TIME) request.mtime = "now";
  else if (sattr.mtimeHow === TimeHow.SET_TO_CLIENT_TIME) {
    if (sattr.mtimeNsec >= 1_000_000_000) return NfsStat3.NFS3ERR_INVAL;
    request.mtime = new Time(sattr.mtimeSec, sattr.mtimeNsec);
  }
  return request;
}

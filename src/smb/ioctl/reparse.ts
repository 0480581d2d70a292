import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import { OpenFile } from "#vfs/opens/open-file.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import type { IoctlRequest } from "#wire/smb2/io.ts";
import { decodeReparse, decodeSymlink, encodeNfsNode, encodeSymlink, reparseBytesMax, ReparseTag } from "#wire/smb2/reparse.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { shownTarget, storedTarget } from "../open/stopped.ts";
import { ntStatusOf } from "../status.ts";
import { answer, answerWith } from "./answer.ts";

/** GET_REPARSE_POINT (MS-FSA 2.1.5.10.19). */
export async function getReparse(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  const output = await reparseOf(open, inode);
  if (output instanceof FsError) return ntStatusOf(output);
  if (output === null) return NtStatus.NOT_A_REPARSE_POINT;
  if (output.length <= request.outputBytesMax) return answer(call, request, open.fileId, output);
  if (request.outputBytesMax < 8) return NtStatus.BUFFER_TOO_SMALL;
  return answerWith(call, request, open.fileId, output.subarray(0, request.outputBytesMax), NtStatus.BUFFER_OVERFLOW);
}

async function reparseOf(open: Open, inode: Inode): Promise<Uint8Array | null | FsError> {
  const fs = open.tree.fs!;
  switch (inode.type) {
    case FileType.symlink: {
      const link = await fs.readlink(open.credentials(), open.id);
      return link instanceof FsError ? link : encodeSymlink(shownTarget(link.target));
    }
    case FileType.character:
      return encodeNfsNode("character", inode.deviceMajor, inode.deviceMinor);
    case FileType.block:
      return encodeNfsNode("block", inode.deviceMajor, inode.deviceMinor);
    case FileType.fifo:
      return encodeNfsNode("fifo", 0, 0);
    case FileType.socket:
      return encodeNfsNode("socket", 0, 0);
    default:
      return (inode.flags & InodeFlag.reparse) === 0 ? null : await fs.xattr(open.credentials(), open.id, XattrName.reparse);
  }
}

/** SET_REPARSE_POINT (MS-FSA 2.1.5.10.37): tag and data are kept as they are given, but for a file that becomes a relative symbolic link. */
export async function setReparse(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const refused = refuse(request, open);
  if (refused !== null) return refused;
  const input = new Uint8Array(request.input);
  const given = decodeReparse(input);
  if (given === null) return NtStatus.IO_REPARSE_DATA_INVALID;
  if (given.tag === 0 || given.tag === 1) return NtStatus.IO_REPARSE_TAG_INVALID;
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (inode.type !== FileType.regular && inode.type !== FileType.directory) return NtStatus.IO_REPARSE_TAG_MISMATCH;
  const before = await reparseOf(open, inode);
  if (before instanceof FsError) return ntStatusOf(before);
  if (before !== null && tagOf(before) !== given.tag) return NtStatus.IO_REPARSE_TAG_MISMATCH;
  if (given.tag === ReparseTag.SYMLINK && inode.type === FileType.regular && before === null) {
    const link = decodeSymlink(given);
    if (link === null) return NtStatus.IO_REPARSE_DATA_INVALID;
    if (link.relative) return becomeLink(call, request, open, link.target);
  }
  const status = await replace(open, given.tag, input);
  return status === NtStatus.SUCCESS ? answer(call, request, open.fileId) : status;
}

/** What is open caches nothing. */
const noHolder = { broken: () => true };

/** A relative link is one for every protocol. What is open is the link from then on. */
async function becomeLink(call: Call, request: IoctlRequest, open: Open, target: string): Promise<number> {
  const fs = open.tree.fs!;
  const old = open.file!;
  const link = await fs.becomeLink(open.credentials(), old, storedTarget(target));
  if (link instanceof FsError) return ntStatusOf(link);
  const { who, access, sharing, place, deleteOnClose, parentKey } = old;
  const asked = { who, access, momentary: 0, sharing, place, directory: false, overwrites: false, deleteOnClose, caching: null, parentKey, retried: false };
  const admitted = fs.opens.admit(link.id, asked, noHolder);
  // Somebody was faster in opening what has just been made, and shares it with nobody.
  if (!(admitted instanceof OpenFile)) return NtStatus.SHARING_VIOLATION;
  old.deleteOnClose = false;
  open.file = admitted;
  open.id = link.id;
  open.ownerId = link.id;
  await fs.release(old);
  return answer(call, request, open.fileId);
}

/** DELETE_REPARSE_POINT (MS-FSA 2.1.5.10.3). A symbolic link of the share is one for as long as it is there. */
export async function deleteReparse(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const refused = refuse(request, open);
  if (refused !== null) return refused;
  const given = decodeReparse(request.input);
  if (given === null) return NtStatus.IO_REPARSE_DATA_INVALID;
  const { tag } = given;
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  const before = await reparseOf(open, inode);
  if (before instanceof FsError) return ntStatusOf(before);
  if (before === null) return NtStatus.NOT_A_REPARSE_POINT;
  if (tagOf(before) !== tag) return NtStatus.IO_REPARSE_TAG_MISMATCH;
  if (inode.type !== FileType.regular && inode.type !== FileType.directory) return NtStatus.ACCESS_DENIED;
  const status = await replace(open, tag, null);
  return status === NtStatus.SUCCESS ? answer(call, request, open.fileId) : status;
}

/** Stores a reparse point, or takes it away, where there is none with another tag by now. */
async function replace(open: Open, tag: number, value: Uint8Array | null): Promise<number> {
  let status = NtStatus.SUCCESS as number;
  const done = await open.tree.fs!.changeXattr(open.credentials(), open.id, XattrName.reparse, (now) => {
    status = now === null ? (value === null ? NtStatus.NOT_A_REPARSE_POINT : NtStatus.SUCCESS) : tagOf(now) === tag ? NtStatus.SUCCESS : NtStatus.IO_REPARSE_TAG_MISMATCH;
    return status === NtStatus.SUCCESS ? value : FsError.of("invalid");
  });
  return status === NtStatus.SUCCESS && done instanceof FsError ? ntStatusOf(done) : status;
}

function refuse(request: IoctlRequest, open: Open): number | null {
  if ((open.access & (AccessMask.WRITE_DATA | AccessMask.WRITE_ATTRIBUTES)) === 0) return NtStatus.ACCESS_DENIED;
  return request.input.length > reparseBytesMax ? NtStatus.IO_REPARSE_DATA_INVALID : null;
}

function tagOf(buffer: Uint8Array): number {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength).getUint32(0, true);
}

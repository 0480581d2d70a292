import { FsError } from "#model/fs-error.ts";
import { u32, u64, utf16 } from "#wire/le.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Call } from "../call.ts";
import { keepsName, ReplaceFlag } from "../info/replacing.ts";
import { renameStream } from "../info/rename-stream.ts";
import { attributesOf } from "../open/facts.ts";
import type { Open } from "../open/open.ts";
import { partsOf, resolve } from "../open/path.ts";
import { ntStatusOf } from "../status.ts";

/** A client that waits longer than this for others is told so by an interim answer. */
const patienceMs = 50;

/** What was begun for `call`, which may have to wait for others to give up what they cache: the client is told when it takes long. */
export async function patiently<T>(call: Call, begun: Promise<T>): Promise<T> {
  const timer = call.connection.server.clock.after(patienceMs, () => void call.pend(() => {}));
  try {
    return await begun;
  } finally {
    timer.cancel();
  }
}

/** Flags of FileDispositionInformationEx (MS-FSCC 2.4.12). */
export const DispositionFlag = { DELETE: 0x1, POSIX_SEMANTICS: 0x2, FORCE_IMAGE_SECTION_CHECK: 0x4, ON_CLOSE: 0x8, IGNORE_READONLY_ATTRIBUTE: 0x10 } as const;
const dispositionsKnown = 0x1f;

/** FileDispositionInformation and FileDispositionInformationEx (MS-FSA 2.1.5.15.3, 2.1.5.15.4). The name goes with the last close, whatever semantics are asked for. */
export async function setDeletion(call: Call, open: Open, flags: number): Promise<number> {
  if ((flags & ~dispositionsKnown) !== 0) return NtStatus.INVALID_PARAMETER;
  const wanted = (flags & DispositionFlag.DELETE) !== 0;
  const evenReadonly = (flags & DispositionFlag.IGNORE_READONLY_ATTRIBUTE) !== 0;
  const inode = await open.tree.fs!.getattr(open.ownerId);
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (wanted && !evenReadonly && (attributesOf(inode) & FileAttribute.READONLY) !== 0) return NtStatus.CANNOT_DELETE;
  const begun = open.tree.fs!.setDeletion(open.file!, wanted);
  const refused = begun instanceof Promise ? await patiently(call, begun) : begun;
  return refused === null ? NtStatus.SUCCESS : ntStatusOf(refused);
}

const headBytes = 20;

/** FileRenameInformation and FileRenameInformationEx: FILE_RENAME_INFORMATION_TYPE_2 (MS-FSCC 2.4.42.2, MS-FSA 2.1.5.15.11) with these `ReplaceFlag`s; null: unknown ones. */
export async function rename(call: Call, open: Open, input: Uint8Array, flags: number | null): Promise<number> {
  if (flags === null) return NtStatus.INVALID_PARAMETER;
  const replaces = (flags & ReplaceFlag.REPLACE_IF_EXISTS) !== 0;
  const length = u32(input, 16);
  if (length % 2 !== 0 || length > input.length - headBytes || u64(input, 8) !== 0) return NtStatus.INVALID_PARAMETER;
  const { place, tree } = open;
  if (place === null) return NtStatus.INVALID_PARAMETER;
  const newName = utf16(input, headBytes, length);
  if (open.ownerId !== open.id) return renameStream(open, newName, replaces);
  const parts = partsOf(newName.replace(/^\\/, ""));
  if (typeof parts === "number") return parts;
  if (parts.length === 0) return NtStatus.INVALID_PARAMETER;
  const fs = tree.fs!;
  const key = open.file?.parentKey ?? null;
  const who = key === null ? tree.credentials() : { ...tree.credentials(), parentKey: key };
  const found = resolve(fs, who, parts);
  const to = found instanceof Promise ? await found : found;
  if (typeof to === "number") return to;
  const other = to.inode !== null && to.inode.id !== open.id;
  if (other && !replaces) return NtStatus.OBJECT_NAME_COLLISION;
  if (other && keepsName(fs, who, to, flags)) return NtStatus.ACCESS_DENIED;
  // What is replaced lends its name, whose case may differ.
  const name = other ? to.name : parts.at(-1)!;
  // A Mac renames folders in which files are open, .DS_Store among them.
  if (open.file !== null) {
    open.file.movesOpen = tree.appleClient;
    open.file.replacesOpen = (flags & ReplaceFlag.POSIX_SEMANTICS) !== 0;
  }
  const done = await patiently(call, fs.rename(who, place.parent, place.name, to.parent.id, name, open.file, replaces));
  if (done instanceof FsError) return ntStatusOf(done);
  open.path = parts.join("\\");
  return NtStatus.SUCCESS;
}

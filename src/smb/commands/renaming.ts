import { FsError } from "#model/fs-error.ts";
import { u32, u64, utf16 } from "#wire/le.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Call } from "../call.ts";
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

/** FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE (MS-FSCC 2.4.11.2). */
export const ignoreReadonly = 0x10;

/** FileDispositionInformation (MS-FSA 2.1.5.15.3). */
export async function setDeletion(call: Call, open: Open, wanted: boolean, evenReadonly: boolean): Promise<number> {
  const inode = await open.tree.fs!.getattr(open.ownerId);
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (wanted && !evenReadonly && (attributesOf(inode) & FileAttribute.READONLY) !== 0) return NtStatus.CANNOT_DELETE;
  const begun = open.tree.fs!.setDeletion(open.file!, wanted);
  const refused = begun instanceof Promise ? await patiently(call, begun) : begun;
  return refused === null ? NtStatus.SUCCESS : ntStatusOf(refused);
}

const headBytes = 20;

/** FileRenameInformation: FILE_RENAME_INFORMATION_TYPE_2 (MS-FSCC 2.4.42.2, MS-FSA 2.1.5.15.11). */
export async function rename(call: Call, open: Open, input: Uint8Array): Promise<number> {
  if (input.length < headBytes) return NtStatus.INFO_LENGTH_MISMATCH;
  const replaces = input[0] !== 0;
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
  // What is replaced lends its name, whose case may differ.
  const name = other ? to.name : parts.at(-1)!;
  // A Mac renames folders in which files are open, .DS_Store among them.
  if (open.file !== null) open.file.movesOpen = tree.appleClient;
  const done = await patiently(call, fs.rename(who, place.parent, place.name, to.parent.id, name, open.file, replaces));
  if (done instanceof FsError) return ntStatusOf(done);
  open.path = parts.join("\\");
  return NtStatus.SUCCESS;
}

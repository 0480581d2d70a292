import { i32, u64 } from "#wire/le.ts";
import type { FileFacts } from "#wire/fscc.ts";
import type { CreateRequest } from "#wire/smb2/create.ts";
import { clusterBytes } from "./facts.ts";
import { notesOf, noting } from "./file-notes.ts";
import type { Open } from "./open.ts";

/** SMB2_CREATE_ALLOCATION_SIZE (MS-SMB2 2.2.13.2.6). */
const allocationContext = "AlSi";
/** More than a client is told to have for the asking. */
const reservedBytesMax = 2 ** 40;

/** Has a file's allocation told as so many bytes at least, until its last close. */
export function reserve({ file }: Open, bytes: number): void {
  if (file === null) return;
  if (bytes > 0 && bytes <= reservedBytesMax) noting(file.file).reservedBytes = Math.ceil(bytes / clusterBytes) * clusterBytes;
  else {
    const notes = notesOf(file.file);
    if (notes !== null) notes.reservedBytes = 0;
  }
}

/** The room a CREATE asks for; 0: none. */
export function askedRoom(request: CreateRequest): number {
  const context = request.contexts.find(({ name }) => name === allocationContext);
  return context === undefined || context.data.length !== 8 || i32(context.data, 4) < 0 ? 0 : u64(context.data, 0);
}

/** Facts with the room that is told. */
export function withRoom({ file }: Open, facts: FileFacts): FileFacts {
  const notes = file === null ? null : notesOf(file.file);
  return notes === null || notes.reservedBytes <= facts.allocationBytes ? facts : { ...facts, allocationBytes: notes.reservedBytes };
}

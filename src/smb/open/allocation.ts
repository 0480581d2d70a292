import { i32, u64 } from "#wire/le.ts";
import type { FileFacts } from "#wire/fscc.ts";
import type { FileOpens } from "#vfs/opens/index.ts";
import type { CreateRequest } from "#wire/smb2/create.ts";
import { clusterBytes } from "./facts.ts";
import type { Open } from "./open.ts";

/** SMB2_CREATE_ALLOCATION_SIZE (MS-SMB2 2.2.13.2.6). */
const allocationContext = "AlSi";
/** More than a client is told to have for the asking. */
const reservedBytesMax = 2 ** 40;

/** Room that clients had reserved for files that are open: told, and not taken from anybody, as content takes room when it comes. */
const reserved = new WeakMap<FileOpens, number>();

/** Has a file's allocation told as so many bytes at least, until its last close. */
export function reserve({ file }: Open, bytes: number): void {
  if (file === null) return;
  if (bytes === 0 || bytes > reservedBytesMax) reserved.delete(file.file);
  else reserved.set(file.file, Math.ceil(bytes / clusterBytes) * clusterBytes);
}

/** The room a CREATE asks for; 0: none. */
export function askedRoom(request: CreateRequest): number {
  const context = request.contexts.find(({ name }) => name === allocationContext);
  return context === undefined || context.data.length !== 8 || i32(context.data, 4) < 0 ? 0 : u64(context.data, 0);
}

/** Facts with the room that is told. */
export function withRoom({ file }: Open, facts: FileFacts): FileFacts {
  const room = file === null ? undefined : reserved.get(file.file);
  return room === undefined || room <= facts.allocationBytes ? facts : { ...facts, allocationBytes: room };
}

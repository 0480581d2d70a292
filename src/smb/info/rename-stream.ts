import { FsError } from "#model/fs-error.ts";
import { streamsOf } from "#model/inode-flags.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Open } from "../open/open.ts";
import { parsePath, StreamType } from "../open/path.ts";
import { ntStatusOf } from "../status.ts";

/** FileRenameInformation of a stream (MS-FSA 2.1.5.15.11): within its file alone, under a name that begins with a colon. */
export async function renameStream(open: Open, newName: string, replace: boolean): Promise<number> {
  const { place } = open;
  if (place === null) return NtStatus.INVALID_PARAMETER;
  // One of another file, or this one's whole path.
  if (!newName.startsWith(":")) return NtStatus.SHARING_VIOLATION;
  const path = parsePath(newName);
  if (typeof path === "number") return path;
  if (path.type === StreamType.index) return NtStatus.INVALID_PARAMETER;
  // A stream does not become the content of its file.
  if (path.stream === null) return NtStatus.NOT_SUPPORTED;
  const fs = open.tree.fs!;
  const done = await fs.renameStream(open.credentials(), open.ownerId, place.name, path.stream, replace);
  if (done instanceof FsError) return ntStatusOf(done);
  fs.opens.renamed({ id: open.id, from: place, to: { parent: streamsOf(open.ownerId), name: path.stream } });
  open.path = `${open.path.replace(/:[^\\]*$/, "")}:${path.stream}`;
  return NtStatus.SUCCESS;
}

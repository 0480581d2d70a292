import { FsError } from "#model/fs-error.ts";
import type { SmbConnection } from "../connection.ts";
import type { Tree } from "../tree/tree.ts";
import type { Open } from "./open.ts";

/** Lets go of an open file; the last one of a file waits for its deletion, where somebody asked for that. */
export async function closeOpen(connection: SmbConnection, open: Open): Promise<void> {
  connection.opens.remove(open);
  open.watch?.close();
  if (open.file === null) return;
  const fs = open.tree.fs!;
  if (fs.locks.held !== 0) fs.locks.release(open.id, open.file);
  const outcome = await fs.release(open.file);
  if (outcome instanceof FsError) connection.server.logger.debug({ share: fs.name, path: open.path, why: outcome.code }, "a file was not deleted on close");
}

/** Lets go of everything a tree has open. */
export function closeAll(connection: SmbConnection, tree: Tree): void {
  for (const open of connection.opens.ofTree(tree)) {
    closeOpen(connection, open).catch((error: unknown) => connection.server.logger.error({ error, path: open.path }, "a file could not be deleted on close"));
  }
}

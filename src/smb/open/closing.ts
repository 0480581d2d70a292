import { FsError } from "#model/fs-error.ts";
import type { SmbConnection } from "../connection.ts";
import type { Tree } from "../tree/tree.ts";
import type { Open } from "./open.ts";

/** Lets go of an open file; the last thing its deletion on close waited for. */
export async function closeOpen(connection: SmbConnection, open: Open): Promise<void> {
  connection.opens.remove(open);
  const { place, tree } = open;
  if (tree.fs !== null && tree.fs.locks.held !== 0) tree.fs.locks.release(open.id, open);
  if (!open.deleteOnClose || place === null) return;
  const fs = tree.fs!;
  const who = tree.credentials();
  const outcome = open.directory ? await fs.rmdir(who, place.parent, place.name) : await fs.remove(who, place.parent, place.name);
  if (outcome instanceof FsError) connection.server.logger.debug({ share: fs.name, path: open.path, why: outcome.code }, "a file was not deleted on close");
}

/** Lets go of everything a tree has open. */
export function closeAll(connection: SmbConnection, tree: Tree): void {
  for (const open of connection.opens.ofTree(tree)) {
    closeOpen(connection, open).catch((error: unknown) => connection.server.logger.error({ error, path: open.path }, "a file could not be deleted on close"));
  }
}

import { FsError } from "#model/fs-error.ts";
import type { SmbServer } from "../server.ts";
import type { Open } from "./open.ts";
import { openFields } from "./log-fields.ts";

/** Lets go of an open file; the last one of a file waits for its deletion, where somebody asked for that. */
export async function closeOpen(server: SmbServer, open: Open): Promise<void> {
  server.opens.remove(open);
  server.durables.forget(open);
  open.watch?.close();
  if (open.file === null) return;
  const fs = open.tree.fs!;
  const stream = await fs.release(open.file);
  const owner = open.keeper === null ? null : await fs.release(open.keeper);
  const outcome = stream ?? owner;
  if (outcome instanceof FsError) server.logger.debug({ ...openFields(open), why: outcome.code }, "a file was not deleted on close");
}

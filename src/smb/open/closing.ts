import { FsError } from "#model/fs-error.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Open } from "./open.ts";
import type { Opens } from "./opens.ts";

/** Where an open file is let go of: a connection, or the server. */
export interface Closer {
  readonly opens: Opens;
  readonly server: { readonly logger: Logger };
}

/** Lets go of an open file; the last one of a file waits for its deletion, where somebody asked for that. */
export async function closeOpen(connection: Closer, open: Open): Promise<void> {
  connection.opens.remove(open);
  open.watch?.close();
  if (open.file === null) return;
  const fs = open.tree.fs!;
  const stream = await fs.release(open.file);
  const owner = open.keeper === null ? null : await fs.release(open.keeper);
  const outcome = stream ?? owner;
  if (outcome instanceof FsError) connection.server.logger.debug({ share: fs.name, path: open.path, why: outcome.code }, "a file was not deleted on close");
}

import { FsError } from "#model/fs-error.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Open } from "./open.ts";
import type { Opens } from "./opens.ts";

/** Where an open file is let go of: a connection, or the server. */
export interface Closer {
  readonly opens: Opens;
  readonly server: { readonly logger: Logger };
}

/** Lets go of an open file; the last thing its deletion on close waited for. */
export async function closeOpen(connection: Closer, open: Open): Promise<void> {
  connection.opens.remove(open);
  const { place, tree } = open;
  if (!open.deleteOnClose || place === null) return;
  const fs = tree.fs!;
  const who = tree.credentials();
  const outcome = open.directory ? await fs.rmdir(who, place.parent, place.name) : await fs.remove(who, place.parent, place.name);
  if (outcome instanceof FsError) connection.server.logger.debug({ share: fs.name, path: open.path, why: outcome.code }, "a file was not deleted on close");
}

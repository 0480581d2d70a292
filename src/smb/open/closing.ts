import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { leaveAppleStream } from "../aapl/index.ts";
import type { SmbServer } from "../server.ts";
import type { Open } from "./open.ts";
import { openFields } from "./log-fields.ts";

/** Lets go of an open file; the last one of a file waits for its deletion, where somebody asked for that. */
export function closeOpen(server: SmbServer, open: Open): Maybe<void> {
  server.opens.remove(open);
  server.durables.forget(open);
  open.watch?.close();
  if (open.file === null) return;
  const left = open.keeper === null ? undefined : leaveAppleStream(open);
  const released = left instanceof Promise ? left.then(() => open.tree.fs!.release(open.file!)) : open.tree.fs!.release(open.file);
  if (open.keeper !== null || released instanceof Promise) return closeRest(server, open, released);
  tell(server, open, released);
}

async function closeRest(server: SmbServer, open: Open, released: Maybe<FsError | null>): Promise<void> {
  const stream = await released;
  const owner = open.keeper === null ? null : await open.tree.fs!.release(open.keeper);
  tell(server, open, stream ?? owner);
}

function tell(server: SmbServer, open: Open, outcome: FsError | null): void {
  if (outcome instanceof FsError) server.logger.debug({ ...openFields(open), why: outcome.code }, "a file was not deleted on close");
}

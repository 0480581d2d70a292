import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { OpenFile } from "#vfs/opens/index.ts";
import { leaveAppleStream } from "../aapl/index.ts";
import type { SmbServer } from "../server.ts";
import type { Open } from "./open.ts";
import { openFields } from "./log-fields.ts";

/**
 * Lets go of an open file; the last one of a file waits for its deletion, where somebody asked for that. Whatever is thrown, because of a
 * store that is away for one, it is closed.
 */
export function closeOpen(server: SmbServer, open: Open): Maybe<void> {
  server.opens.remove(open);
  server.durables.forget(open);
  open.watch?.close();
  if (open.file === null) return;
  if (open.keeper !== null) return closeStream(server, open, open.file, open.keeper);
  const released = open.tree.fs!.release(open.file);
  if (released instanceof Promise) return released.then((outcome) => tell(server, open, outcome));
  tell(server, open, released);
}

async function closeStream(server: SmbServer, open: Open, file: OpenFile, keeper: OpenFile): Promise<void> {
  const fs = open.tree.fs!;
  let stream: FsError | null = null;
  let owner: FsError | null = null;
  try {
    try {
      const left = leaveAppleStream(open);
      if (left instanceof Promise) await left;
    } finally {
      stream = await fs.release(file);
    }
  } finally {
    owner = await fs.release(keeper);
  }
  tell(server, open, stream ?? owner);
}

function tell(server: SmbServer, open: Open, outcome: FsError | null): void {
  if (outcome instanceof FsError) server.logger.debug({ ...openFields(open), why: outcome.code }, "a file was not deleted on close");
}

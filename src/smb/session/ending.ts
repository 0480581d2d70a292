import type { Accounts } from "#model/identity.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { closeOpen } from "../open/closing.ts";
import type { Open } from "../open/open.ts";
import type { SmbServer } from "../server.ts";
import type { Tree } from "../tree/tree.ts";
import { guestsAllowed } from "./guests.ts";
import { type Session, SessionKind } from "./session.ts";
import { openFields } from "../open/log-fields.ts";

/** Why files are let go of. */
export const Ending = {
  /** The client said so: nothing of it stays. */
  asked: 0,
  /** The client is gone, and may come back for what was opened to last. */
  lost: 1,
} as const;
export type Ending = (typeof Ending)[keyof typeof Ending];

/** Ends a session: what it has open is let go of, what waits in it is cancelled, and requests that name it are answered that it is gone. */
export async function endSession(server: SmbServer, session: Session, ending: Ending): Promise<void> {
  if (session.ended) return;
  session.ended = true;
  server.sessions.remove(session);
  const closings = [...session.trees.values()].map((tree) => endTree(server, tree, ending));
  session.trees.clear();
  for (const { connection } of session.channels) {
    connection.channels.delete(session.id);
    connection.pendings.cancelOf(session);
    connection.awaitSession();
  }
  session.channels.length = 0;
  await Promise.all(closings);
}

/** Lets go of everything a tree has open. Never throws: what can't be closed is logged. */
export async function endTree(server: SmbServer, tree: Tree, ending: Ending): Promise<void> {
  tree.ended = true;
  for (const end of tree.waits) end();
  // Names go with it: who closes the share waits for that as for a request.
  tree.fs?.enter();
  await Promise.all([...tree.opens].map((open) => letGo(server, open, ending)));
  tree.fs?.leave();
}

async function letGo(server: SmbServer, open: Open, ending: Ending): Promise<void> {
  if (ending === Ending.lost && server.durables.detach(open)) return;
  try {
    await closeOpen(server, open);
  } catch (error) {
    server.logger.error({ error, ...openFields(open) }, "a file could not be closed after its client had gone");
  }
}

/** Whether somebody may go on with what a session began: the user is there and enabled, and nothing ended his sessions since. */
export function mayGoOn(server: SmbServer, session: Session, accounts: Accounts): boolean {
  const { user } = session;
  if (user === null) return true;
  if (session.kind !== SessionKind.user) return guestsAllowed(server);
  const account = accounts.byName(user.name);
  return account !== null && account.user.enabled && account.user.uid === user.uid && account.sessionEpoch === session.epoch;
}

/** Ends connections to shares: those to `fs`, which is about to be closed, or (null) those that policies don't admit any more. */
export function closeTrees(server: SmbServer, fs: FileSystem | null): void {
  for (const session of server.sessions.list()) {
    for (const tree of session.trees.values()) {
      if (fs === null ? tree.admits(tree.address) : tree.fs !== fs) continue;
      void endTree(server, tree, Ending.asked);
      session.trees.delete(tree.id);
    }
  }
}

import type { Accounts } from "#model/identity.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import type { SmbConnection } from "../connection.ts";
import { closeAll } from "../open/closing.ts";
import type { Session } from "./session.ts";

/** Ends a session: what it has open is closed, and requests that name it are answered that it is gone. */
export function endSession(connection: SmbConnection, session: Session): void {
  for (const tree of session.trees.values()) closeAll(connection, tree);
  session.trees.clear();
  connection.sessions.delete(session.id);
}

/** Whether somebody may go on with what a session began: the user is there and enabled, and nothing ended his sessions since. */
export function mayGoOn(session: Session, accounts: Accounts): boolean {
  const { user } = session;
  if (user === null) return true;
  const account = accounts.byName(user.name);
  return account !== null && account.user.enabled && account.user.uid === user.uid && account.sessionEpoch === session.epoch;
}

/** Ends connections to shares: those to `fs`, which is about to be closed, or (null) those that policies don't admit any more. */
export function closeTrees(connection: SmbConnection, fs: FileSystem | null): void {
  for (const session of connection.sessions.values()) {
    for (const tree of session.trees.values()) {
      if (fs === null ? tree.admits(connection.transport.address) : tree.fs !== fs) continue;
      closeAll(connection, tree);
      session.trees.delete(tree.id);
    }
  }
}

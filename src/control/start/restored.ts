import { restoreControl } from "../database/backup.ts";
import type { BackupContext, BackupSummary } from "../database/backup-scratch.ts";
import type { ControlDatabase, Transaction } from "../database/port.ts";
import { tables } from "../database/tables.ts";
import { revisionNote, revisionOf } from "../state/state.ts";

/**
 * Puts a backup in the place of a control plane's database. Whoever was logged in then or is now has to log in again: a backup must
 * not bring back a session that was ended since, and the revision goes on from the higher of the two, so that a server that runs on
 * this database sees that everything is another. Which tree a share is stays known where the backup doesn't say. Throws DatabaseError.
 */
export async function restoreBackup(db: ControlDatabase, file: string, context: BackupContext): Promise<BackupSummary> {
  const { sec, nsec } = context.clock.now();
  const at = sec * 1000 + Math.floor(nsec / 1e6);
  return await restoreControl(db, file, context, async (before) => {
    const revision = await revisionOf(before);
    const live = await before.all(tables.sessions, {});
    const identities = await before.all(tables.shareIdentities, {});
    return async (after) => {
      const restored = new Set((await after.all(tables.sessions, {})).map(({ id }) => id));
      const users = new Set((await after.all(tables.users, {})).map(({ id }) => id));
      // Access tokens of these are good for minutes more unless it is known that they ended.
      await after.insertAll(tables.sessions, live.filter(({ id, userId }) => !restored.has(id) && users.has(userId)));
      await after.update(tables.sessions, { revokedAt: null }, { revokedAt: at });
      const shares = new Set((await after.all(tables.shares, {})).map(({ id }) => id));
      const identified = new Set((await after.all(tables.shareIdentities, {})).map(({ shareId }) => shareId));
      // Of a share that had not been served when the backup was made it is known which tree it became.
      await after.insertAll(tables.shareIdentities, identities.filter(({ shareId }) => shares.has(shareId) && !identified.has(shareId)));
      await raise(after, Math.max(revision, await revisionOf(after)) + 1);
      const entry = { actor: "offline", address: "", action: "controlplane.restore", targetType: "controlplane", target: "backup" };
      await after.append(tables.audit, { ...entry, at, before: { revision }, after: { file } });
    };
  });
}

async function raise(tx: Transaction, revision: number): Promise<void> {
  const value = String(revision);
  if ((await tx.update(tables.notes, { key: revisionNote }, { value })) === 0) await tx.insert(tables.notes, { key: revisionNote, value });
}

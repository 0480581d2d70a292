import type { State } from "../state/index.ts";
import { fieldsOf, type FileShare } from "./import-shares.ts";

/** Names of the file's shares that the database doesn't have, or has otherwise. */
export function differing(state: State, shares: readonly FileShare[], clientsByDefault: readonly string[]): readonly string[] {
  return shares
    .filter((share) => {
      const row = state.shares.by("name", share.name);
      if (row === null || row.deletedAt !== null) return true;
      // The file says nothing of permissions.
      const { defaultPermission: _defaultPermission, ...fields } = fieldsOf(share, clientsByDefault);
      const metadata = state.metadataStores.get(row.metadataStoreId);
      const blocks = state.blockStores.get(row.blockStoreId);
      const placed = metadata?.type === share.metadata.type && blocks?.type === share.blocks.type && row.metadataPath === share.metadata.path && row.blocksPath === share.blocks.path;
      return !placed || Object.entries(fields).some(([name, value]) => !Bun.deepEquals(row[name as keyof typeof row], value));
    })
    .map(({ name }) => name);
}

import type { Durability, Encryption, Squash } from "#model/credentials.ts";
import type { ShareRow } from "../effects/index.ts";
import type { Grant, Level, Share, ShareFields } from "../nouns.ts";
import { shareDefaults } from "./share-fields.ts";
import { endsWithServer } from "./share-moves.ts";
import type { State } from "../state/index.ts";

/** Shares and their grants as they are shown. */
export class ShareViews {
  private readonly state: State;
  private readonly effectiveClients: (share: ShareRow) => readonly string[];

  constructor(state: State, effectiveClients: (share: ShareRow) => readonly string[]) {
    this.state = state;
    this.effectiveClients = effectiveClients;
  }

  share(row: ShareRow): Share {
    const { name, rootMode, version, createdAt, updatedAt } = row;
    return {
      name,
      metadata: this.state.metadataStores.get(row.metadataStoreId)?.name ?? "",
      blocks: this.state.blockStores.get(row.blockStoreId)?.name ?? "",
      rootMode,
      ...this.fields(row),
      deleted: row.deletedAt !== null,
      volatile: endsWithServer(this.state, row),
      effectiveClients: this.effectiveClients(row),
      version,
      createdAt,
      updatedAt,
    };
  }

  /** As the audit log holds it: what was set, not what follows from it. */
  audited(row: ShareRow): unknown {
    const { effectiveClients: _effectiveClients, volatile: _volatile, ...share } = this.share(row);
    return { ...share, grants: this.grants(row) };
  }

  grants(row: ShareRow): readonly Grant[] {
    const { users, groups, grants } = this.state;
    const shown = grants.in("shareId", row.id).flatMap(({ subjectType, subjectId, level }): Grant[] => {
      const type = subjectType === "user" ? "user" : "group";
      const name = (type === "user" ? users : groups).get(subjectId)?.name;
      return name === undefined ? [] : [{ type, name, level: level as Level }];
    });
    return shown.sort((a, b) => (a.type === b.type ? (a.name < b.name ? -1 : 1) : a.type === "user" ? -1 : 1));
  }

  private fields(row: ShareRow): ShareFields {
    const { description, readOnly, anonymousUid, anonymousGid, allowedClients, protocols, manageGroups, quotaBytes, quotaFiles, scrubRate, enabled } = row;
    return {
      description,
      durability: row.durability as Durability,
      readOnly,
      defaultPermission: row.defaultPermission as Level,
      squash: row.squash as Squash,
      anonymousUid,
      anonymousGid,
      allowedClients,
      netgroups: row.netgroups.flatMap((id) => this.state.netgroups.get(id)?.name ?? []).sort(),
      protocols,
      manageGroups,
      smbEncryption: (row.smbEncryption as Encryption | null) ?? shareDefaults.smbEncryption,
      smbGuest: row.smbGuest ?? shareDefaults.smbGuest,
      smbContinuouslyAvailable: row.smbContinuouslyAvailable ?? shareDefaults.smbContinuouslyAvailable,
      quotaBytes,
      quotaFiles,
      scrubRate,
      enabled,
    };
  }
}

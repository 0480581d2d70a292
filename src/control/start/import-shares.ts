import { dirname } from "node:path";
import type { Random } from "#base/random.ts";
import type { ShareConfig } from "#config/index.ts";
import { newId } from "../core.ts";
import type { Row, Table } from "../database/columns.ts";
import { tables } from "../database/tables.ts";
import type { ConfigValue, Level, ShareFields } from "../nouns.ts";
import { defaultStore, shareDefaults } from "../storage/index.ts";
import type { Draft, State } from "../state/index.ts";

/** A share as the configuration file has it. */
export type FileShare = ShareConfig;

/** Shares of a file were open to everybody who reached them; those made since are open to nobody but by a grant. */
const importedPermission: Level = "read-write";

interface StoreOf {
  readonly type: string;
  readonly config: Readonly<Record<string, ConfigValue>>;
  /** Where the share lies in it; "": in a place of its own. */
  readonly path: string;
}

interface ImportParts {
  readonly state: State;
  readonly random: Random;
  readonly clientsByDefault: readonly string[];
}

/** Drafts the rows of the file's shares and of the stores they lie in, into a database that has neither. */
export function draftShares(parts: ImportParts, draft: Draft, shares: readonly FileShare[]): void {
  const metadata = new ImportedStores(parts, draft, tables.metadataStores);
  const blocks = new ImportedStores(parts, draft, tables.blockStores);
  for (const share of shares) {
    const ofMetadata = metadataOf(share);
    const ofBlocks = blocksOf(share);
    draft.insert(tables.shares, {
      ...shareDefaults,
      ...fieldsOf(share, parts.clientsByDefault),
      id: newId(parts.random),
      name: share.name,
      metadataStoreId: metadata.id(share.name, ofMetadata),
      blockStoreId: blocks.id(share.name, ofBlocks),
      metadataPath: ofMetadata.path,
      blocksPath: ofBlocks.path,
      deletedAt: null,
    });
  }
}

/** What of a share the file says. */
export function fieldsOf(share: FileShare, clientsByDefault: readonly string[]): Omit<ShareFields, "netgroups" | "description" | "protocols" | "manageGroups" | "smbEncryption" | "smbGuest" | "smbContinuouslyAvailable" | "quotaBytes" | "quotaFiles" | "scrubRate" | "enabled"> {
  return {
    durability: share.durability,
    readOnly: share.read_only,
    defaultPermission: importedPermission,
    squash: share.squash,
    anonymousUid: share.anonymous_uid,
    anonymousGid: share.anonymous_gid,
    allowedClients: Bun.deepEquals(share.allowed_clients, clientsByDefault) ? null : share.allowed_clients,
  };
}

function metadataOf({ metadata }: FileShare): StoreOf {
  if (metadata.type === "memory") return { type: "memory", config: {}, path: "" };
  // A share of the file names its database, a store the directory of its databases.
  return { type: "sqlite", config: metadata.path === "" ? {} : { path: dirname(metadata.path) }, path: metadata.path };
}

function blocksOf({ blocks }: FileShare): StoreOf {
  if (blocks.type === "memory") return { type: "memory", config: { size: blocks.size }, path: "" };
  return { type: "filesystem", config: blocks.path === "" ? {} : { path: blocks.path }, path: blocks.path };
}

type StoresTable = typeof tables.metadataStores;
type StoreRow = Row<StoresTable>;

/** The stores shares are taken over with: the built-in ones, one for all in memory of the same size, and one for each other directory. */
class ImportedStores {
  private readonly parts: ImportParts;
  private readonly draft: Draft;
  private readonly table: StoresTable;

  constructor(parts: ImportParts, draft: Draft, table: StoresTable) {
    this.parts = parts;
    this.draft = draft;
    this.table = table;
  }

  id(share: string, { type, config }: StoreOf): string {
    const there = this.drafted();
    const same = there.find((row) => row.type === type && Bun.deepEquals(row.config, config));
    if (same !== undefined) return same.id;
    const taken = new Set(there.map(({ name }) => name));
    const wanted = type === "memory" && !taken.has("memory") ? "memory" : storeNameOf(share);
    let name = wanted;
    for (let i = 2; taken.has(name) || name === defaultStore; i++) name = `${wanted.slice(0, 58)}-${i}`;
    const id = newId(this.parts.random);
    this.draft.insert(this.table, { id, name, type, config, secrets: null });
    return id;
  }

  private drafted(): readonly StoreRow[] {
    return this.draft.operations.flatMap(({ table, after }) => ((table as Table) === (this.table as Table) && after !== null ? [after as StoreRow] : []));
  }
}

/** The name of a store for one share: the share's own, as far as a store's name may hold it. */
function storeNameOf(share: string): string {
  const name = share.replace(/^\//, "").replace(/[^A-Za-z0-9_.@-]/g, "-").replace(/^[.-]+/, "");
  return name === "" ? "share" : name.slice(0, 64);
}

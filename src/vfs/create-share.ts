import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { FileContent } from "#model/file-content.ts";
import { rootId } from "#model/ids.ts";
import { FileType, newObject } from "#model/inode.ts";
import type { OpenRecords } from "#model/open-records.ts";
import type { Publication } from "#model/history.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { type Logger, silentLogger } from "#telemetry/logger.ts";
import { tracer } from "#telemetry/tracing/index.ts";
import type { SharePolicy } from "./access/policy.ts";
import { PersistentOpens } from "./opens/index.ts";
import { directoryBytes } from "./ops/make.ts";
import { Share } from "./share.ts";
import { traceShare } from "./traced.ts";

export interface CreateShareOptions {
  readonly name: string;
  /** Handed to the share whole: nobody else sets its listener. */
  readonly store: MetadataStore;
  readonly content: FileContent;
  /** Where changes have to be published before they are acknowledged. Absent: nowhere. */
  readonly publication?: Publication;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  readonly policy: SharePolicy;
  /** Mode and owner of the root directory, where the store has none yet. */
  readonly rootMode?: number;
  readonly rootUid?: number;
  readonly rootGid?: number;
  /** Where opens that outlive the server are recorded. Absent: none does. */
  readonly openRecords?: OpenRecords;
  /** Most inodes and names kept in memory; about 700 and 250 bytes each. */
  readonly inodesMax?: number;
  readonly namesMax?: number;
}

const rootModeDefault = 0o1777;
const inodesMaxDefault = 131_072;
const namesMaxDefault = 196_608;

/** Opens a share on a store and content that are ready, makes its root if it is new, and goes on freeing what a stop left unfreed. */
export async function createShare(options: CreateShareOptions): Promise<Share> {
  const generation = new DataView(options.random.bytes(4).buffer).getUint32(0);
  const share = new Share({
    name: options.name,
    store: options.store,
    content: options.content,
    publication: options.publication ?? null,
    clock: options.clock,
    logger: options.logger ?? silentLogger,
    policy: options.policy,
    inodesMax: options.inodesMax ?? inodesMaxDefault,
    namesMax: options.namesMax ?? namesMaxDefault,
    generation,
  });
  if ((await options.store.inode(rootId)) === null) await makeRoot(options, generation);
  if (options.openRecords !== undefined) {
    share.persistent = new PersistentOpens(share, options.openRecords, options.logger ?? silentLogger);
    await share.persistent.restore();
  }
  share.orphans.start();
  if (tracer !== null) traceShare(share);
  return share;
}

async function makeRoot(options: CreateShareOptions, generation: number): Promise<void> {
  const root = newObject(options.clock.now(), {
    id: rootId,
    type: FileType.directory,
    mode: options.rootMode ?? rootModeDefault,
    links: 2,
    uid: options.rootUid ?? 0,
    gid: options.rootGid ?? 0,
    size: directoryBytes,
    parent: rootId,
    generation,
  });
  const result = await options.store.apply({ conditions: [], changes: [{ do: "insertInode", inode: root }] });
  if (!result.applied) throw new Error(`the metadata store of share ${options.name} has no room for a root directory`);
}

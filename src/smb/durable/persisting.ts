import type { Maybe } from "#base/brand.ts";
import type { OpenFile, RestoredOpen } from "#vfs/opens/index.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { CreateAction } from "#wire/smb2/create.ts";
import type { Call } from "../call.ts";
import { LeaseClient, OplockClient } from "../lease/index.ts";
import { Open } from "../open/open.ts";
import type { SmbServer } from "../server.ts";
import { Durable, keepsHandle } from "./durable.ts";
import { openFields } from "../open/log-fields.ts";

/** What of an open SMB keeps in its record: docs/formats/open-records.md. */
interface Kept {
  readonly createGuid: string;
  readonly clientGuid: string;
  readonly owner: string;
  readonly timeoutMs: number;
  readonly path: string;
  readonly action: number;
  readonly lease: { readonly version: 1 | 2; readonly key: string } | null;
}

/** Records a persistent open as it is now, locks included. False: that is impossible, and the open is none that outlives the server. */
export function persist(server: SmbServer, open: Open): Maybe<boolean> {
  const { durable, file } = open;
  return durable === null || !durable.persistent || file === null ? true : record(server, open, durable, file);
}

async function record(server: SmbServer, open: Open, durable: Durable, file: OpenFile): Promise<boolean> {
  const { persistent } = open.tree.fs!;
  try {
    if (persistent === null) throw new Error("the share keeps no records of open files");
    const holder = file.lease?.holder ?? null;
    const kept: Kept = {
      createGuid: durable.createGuid,
      clientGuid: durable.clientGuid,
      owner: durable.owner,
      timeoutMs: durable.timeoutMs,
      path: open.path,
      action: open.action,
      lease: holder instanceof LeaseClient ? holder.identity : null,
    };
    await persistent.save(open.persistentId, file, durable.timeoutMs, open.directory, Buffer.from(JSON.stringify(kept)));
    return true;
  } catch (error) {
    server.logger.warn({ error, ...openFields(open) }, "an open file could not be recorded, and will not outlive the server");
    return false;
  }
}

/** An open that could not be recorded is at most durable. */
export function notPersistent(open: Open): void {
  const { durable } = open;
  if (durable !== null) open.durable = keepsHandle(open) ? new Durable({ ...durable, persistent: false }) : null;
}

/** The open of this id that outlived the server, as its client would have it; it is not his yet. */
export function restored(call: Call, persistentId: string): Open | null {
  const found = call.tree!.fs!.persistent?.find(persistentId) ?? null;
  return found === null ? null : openOf(call, found);
}

/** The same of the CREATE that made it. */
export function restoredOf(call: Call, creation: string): Open | null {
  const { persistent } = call.tree!.fs!;
  const key = persistent === null ? undefined : madeBy(persistent).get(creation);
  return key === undefined ? null : restored(call, key);
}

/** A CREATE that is done once, by its client and GUID. */
export function creationOf(clientGuid: string, createGuid: string): string {
  return `${clientGuid}:${createGuid}`;
}

type PersistentOpens = NonNullable<FileSystem["persistent"]>;

/** Of each share, the opens found at its start by the CREATEs that made them: read once, since none is added later. */
const made = new WeakMap<PersistentOpens, ReadonlyMap<string, string>>();

function madeBy(persistent: PersistentOpens): ReadonlyMap<string, string> {
  const known = made.get(persistent);
  if (known !== undefined) return known;
  const keys = new Map<string, string>();
  for (const found of persistent.list()) {
    const kept = keptOf(found);
    if (kept !== null) keys.set(creationOf(kept.clientGuid, kept.createGuid), found.key);
  }
  made.set(persistent, keys);
  return keys;
}

/** Its client has it from now on. True: it outlived the server, and its client is to be told of breaks through it. */
export function claim(server: SmbServer, fs: FileSystem, open: Open): boolean {
  const { persistent } = fs;
  const found = persistent?.find(open.persistentId) ?? null;
  const lease = open.file?.lease ?? null;
  if (persistent === null || found === null) return false;
  persistent.claim(open.persistentId);
  if (lease === null) return true;
  const kept = keptOf(found)!;
  if (kept.lease === null) lease.holder = new OplockClient(server.durables);
  else if (!(lease.holder instanceof LeaseClient)) {
    const { version, key } = kept.lease;
    lease.holder = new LeaseClient({ version, key: new Uint8Array(Buffer.from(key, "hex")), state: lease.state, parentKey: null, epoch: lease.epoch }, server.durables);
  }
  return true;
}

function openOf(call: Call, found: RestoredOpen): Open | null {
  const kept = keptOf(found);
  if (kept === null) return null;
  const { file } = found.open;
  const open = new Open(call.connection.server.opens.next(), call.tree!, file.id, false, found.open.access, found.open, kept.path);
  open.persistentId = found.key;
  open.action = kept.action as CreateAction;
  const { createGuid, clientGuid, owner, timeoutMs } = kept;
  open.durable = new Durable({ version: 2, createGuid, clientGuid, owner, timeoutMs, persistent: true });
  return open;
}

function keptOf({ protocol }: RestoredOpen): Kept | null {
  try {
    return JSON.parse(Buffer.from(protocol).toString("utf8")) as Kept;
  } catch {
    return null;
  }
}

import type { Timer } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import type { OpenRecords } from "#model/open-records.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Share } from "../share.ts";
import type { LeaseHolder } from "./lease.ts";
import type { OpenFile, OpenRequest } from "./open-file.ts";
import { decodeOpenRecord, encodeOpenRecord, type OpenRecord } from "./open-record.ts";

/** An open that was found when the share was opened, and waits for its client. */
export interface RestoredOpen {
  readonly key: string;
  readonly open: OpenFile;
  readonly protocol: Uint8Array;
}

/** Whoever asks for what a restored open caches waits until its client is back to be told, or for as long as for any client. */
const awayHolder: LeaseHolder = { broken: () => true };

/**
 * The opens of a share that outlive the server: each has a record, made before it is acknowledged and gone with its release. What
 * is found when the share is opened is put back into its tables before anybody uses it, a file without a name included, and
 * released when its client does not come back in time.
 */
export class PersistentOpens {
  private readonly share: Share;
  private readonly records: OpenRecords;
  private readonly logger: Logger;
  private readonly kept = new Map<OpenFile, string>();
  private readonly waiting = new Map<string, RestoredOpen & { readonly timer: Timer }>();

  constructor(share: Share, records: OpenRecords, logger: Logger) {
    this.share = share;
    this.records = records;
    this.logger = logger;
  }

  /** Puts back what outlived the server. */
  async restore(): Promise<void> {
    for (const [key, bytes] of await this.records.load()) {
      const why = await this.putBack(key, bytes);
      if (why === null) continue;
      this.logger.warn({ share: this.share.name, key, why }, "an open file that a client may come back to could not be kept: it will be told that the file is gone");
      await this.records.remove(key);
    }
  }

  /** Records an open as it is now; resolves when it outlives the server so. Rejects where it can't be recorded. */
  async save(key: string, open: OpenFile, timeoutMs: number, directory: boolean, protocol: Uint8Array): Promise<void> {
    const { who, access, sharing, place, deleteOnClose, lease, parentKey } = open;
    const caching = lease === null ? null : { key: lease.key, state: lease.state, epoch: lease.epoch };
    const request: OpenRequest = { who, access, momentary: 0, sharing, place, directory, overwrites: false, deleteOnClose, caching, parentKey, retried: false };
    const locks = this.share.locks.of(open.file.id, open);
    this.kept.set(open, key);
    await this.records.put(key, encodeOpenRecord({ instance: this.share.store.identity.instance, id: open.file.id, request, timeoutMs, locks, protocol }));
    // Closed meanwhile.
    if (!this.kept.has(open)) await this.records.remove(key);
  }

  /** An open ends. Null: it had no record; else resolves when that is gone, so that no restart brings back what was said to be closed. */
  released(open: OpenFile): Promise<void> | null {
    const key = this.kept.get(open);
    if (key === undefined) return null;
    this.kept.delete(open);
    this.waiting.get(key)?.timer.cancel();
    this.waiting.delete(key);
    return this.records.remove(key).catch((error: unknown) => this.logger.error({ share: this.share.name, key, error }, "the record of an open file that was closed could not be removed: a restart will keep the file open for a while"));
  }

  /** A restored open that waits for its client. */
  find(key: string): RestoredOpen | null {
    return this.waiting.get(key) ?? null;
  }

  list(): readonly RestoredOpen[] {
    return [...this.waiting.values()];
  }

  /** The client of a restored open is back. */
  claim(key: string): void {
    this.waiting.get(key)?.timer.cancel();
    this.waiting.delete(key);
  }

  private async putBack(key: string, bytes: Uint8Array): Promise<string | null> {
    const record = decodeOpenRecord(bytes);
    if (typeof record === "string") return record;
    const { share } = this;
    if (Buffer.compare(record.instance, share.store.identity.instance) !== 0) return "it is of another share that had this name";
    const inode = await share.store.inode(record.id);
    if (inode === null) return "the file is gone";
    const open = share.opens.restore(record.id, await this.placed(record, inode), awayHolder);
    if (inode.links === 0) open.file.orphaned = true;
    share.locks.lock(record.id, open, record.locks);
    this.kept.set(open, key);
    const timer = share.clock.after(record.timeoutMs, () => this.expire(key, open));
    this.waiting.set(key, { key, open, protocol: record.protocol, timer });
    return null;
  }

  /** A name that is another file's by now is not this one's to delete. */
  private async placed(record: OpenRecord, inode: Inode): Promise<OpenRequest> {
    const { request } = record;
    if (request.place === null || inode.links === 0) return request;
    const entry = await this.share.store.dirent(request.place.parent, request.place.name);
    return entry !== null && entry.child === record.id ? request : { ...request, place: null, deleteOnClose: false };
  }

  private expire(key: string, open: OpenFile): void {
    this.waiting.delete(key);
    void this.end(open).catch((error: unknown) => this.logger.error({ share: this.share.name, key, error }, "a file whose client did not come back after a restart could not be closed"));
  }

  private async end(open: OpenFile): Promise<void> {
    const outcome = await this.share.release(open);
    if (outcome instanceof FsError) this.logger.debug({ share: this.share.name, why: outcome.code }, "a file was not deleted on close");
  }
}


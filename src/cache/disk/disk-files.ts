import { join } from "node:path";
import type { Timer } from "#base/clock.ts";
import { type CacheFiles, type Incoming, isUnlinkable } from "./cache-files.ts";
import { blockBytes, Entry, entryBytes } from "./entry.ts";
import type { IndexDatabase } from "./index-database.ts";
import { OpenFiles } from "./open-files.ts";
import { filePath, isCacheable, reconcile } from "./reconcile.ts";
import { Rest } from "./rest.ts";
import { baseBytes, type DiskFilesOptions, type DiskFilesStats, type DiskLimits, Room } from "./room.ts";

const openFilesMax = 128;
/** How often free space is looked at when nothing is written: others fill the disk, too. */
const checkMs = 5_000;

/** Copies of objects in files, the least recently used of which makes room for another. No failure of it is one of its users. */
export class DiskFiles {
  /** By key, the least recently used first. */
  private readonly entries = new Map<string, Entry>();
  private readonly room: Room;
  private nextId = 1;
  private uses = 0;
  private readonly rest: Rest;
  private timer: Timer | null = null;
  private closed = false;
  private isReady = false;
  private trimming: Promise<void> | null = null;
  private readonly options: DiskFilesOptions;
  private readonly io: CacheFiles;
  private readonly open: OpenFiles;
  private readonly index: IndexDatabase;
  /** Files and index agree; before that nothing is written. */
  readonly ready: Promise<void>;

  constructor(options: DiskFilesOptions, index: IndexDatabase, found: readonly Entry[]) {
    this.options = options;
    this.io = options.files;
    this.room = new Room(options.files, options.directory, options.limits, (bytes) => this.evict(bytes));
    this.open = new OpenFiles(options.files, openFilesMax);
    this.rest = new Rest(options);
    this.index = index;
    for (const entry of found) {
      this.nextId = Math.max(this.nextId, entry.id + 1);
      this.uses = Math.max(this.uses, entry.used);
      if (!entry.key.startsWith(options.keyPrefix) || this.entries.has(entry.key)) index.removed(entry);
      else this.add(entry);
    }
    this.ready = this.tidy();
  }

  get stats(): DiskFilesStats {
    return { ...this.room.stats, objects: this.entries.size };
  }

  setLimits(limits: DiskLimits): void {
    this.room.limits = limits;
    void this.trim();
  }

  /** Whether bytes `from`..`to` of one block are there. */
  covers(key: string, from: number, to: number): boolean {
    const block = Math.floor(from / blockBytes);
    return this.entries.get(key)?.covers(block, to - block * blockBytes) ?? false;
  }

  /** Fills `target`; false where it can't, and then what was thought to be there is forgotten. */
  async read(key: string, offset: number, target: Uint8Array): Promise<boolean> {
    const entry = this.entries.get(key);
    if (entry === undefined) return false;
    this.use(entry);
    entry.users++;
    let whole = false;
    try {
      whole = (await this.open.with(entry.id, this.path(entry), false, (fd) => this.io.read(fd, target, offset))) === target.byteLength;
    } catch (error) {
      this.options.logger.warn({ error, key }, "a file of the disk cache can't be read; it is fetched anew");
    }
    if (!whole) this.forget(entry);
    this.leave(entry);
    return whole;
  }

  /** Keeps a copy of an object's bytes from `offset`, a multiple of `blockBytes`, on, if there is room; `wanted` is asked once they are written. Whether it is kept. */
  async write(key: string, offset: number, bytes: Uint8Array, wanted: () => boolean): Promise<boolean> {
    await this.ready;
    if (!this.mayWrite(key) || !wanted()) return false;
    const end = offset + bytes.byteLength;
    const entry = this.entries.get(key) ?? this.add(new Entry(this.nextId++, key));
    const room = entry.growth(offset, end);
    let reserved = false;
    entry.users++;
    try {
      reserved = await this.room.reserve(room);
      if (!reserved || entry.gone) return false;
      await this.open.with(entry.id, this.path(entry), true, (fd) => this.io.write(fd, bytes, offset));
      this.record(entry, offset, end, wanted());
      return !entry.gone;
    } catch (error) {
      this.rest.begin(error);
      this.forget(entry);
      return false;
    } finally {
      if (reserved) this.room.release(room);
      if (entry.isEmpty) this.forget(entry);
      this.leave(entry);
    }
  }

  /** A second name in the cache for a file that is about to become an object and be deleted; null where it can't be kept. */
  async keep(path: string, size: number): Promise<Incoming | null> {
    const charge = entryBytes + size + blockBytes;
    if (!this.isReady || !this.mayWrite("") || charge > this.room.limits.bytesMax) return null;
    let reserved = false;
    try {
      // Its bytes are on the disk already: to keep them takes none of what is free, as long as enough is.
      reserved = await this.room.reserve(charge, 0);
      if (!reserved) return null;
      const incoming = join(this.options.directory, "incoming", String(this.nextId++));
      await this.io.link(path, incoming);
      return { path: incoming, size };
    } catch (error) {
      if (reserved) this.room.release(charge);
      if (!isUnlinkable(error)) this.rest.begin(error);
      return null;
    }
  }

  /** What `keep` gave is the object now, or is not. */
  async kept(incoming: Incoming, key: string, isObject: boolean): Promise<void> {
    const { path, size } = incoming;
    try {
      if (!isObject || this.closed || !this.mayWrite(key)) return await this.io.unlink(path);
      const entry = new Entry(this.nextId++, key);
      entry.users++;
      try {
        await this.io.rename(path, this.path(entry));
        const old = this.entries.get(key);
        if (old !== undefined) this.forget(old);
        this.add(entry);
        this.record(entry, 0, size, true);
      } finally {
        this.leave(entry);
      }
    } catch (error) {
      this.rest.begin(error);
      await this.io.unlink(path).catch(() => {});
    } finally {
      this.room.release(entryBytes + size + blockBytes);
    }
  }

  /** Forgets an object's copy. */
  drop(key: string): boolean {
    const entry = this.entries.get(key);
    if (entry !== undefined) this.forget(entry);
    return entry !== undefined;
  }

  /** Whether a new copy of so many bytes fits in without another one going. */
  hasRoom(bytes: number): boolean {
    return this.mayWrite("") && this.room.has(entryBytes + bytes + blockBytes);
  }

  async dropAll(): Promise<number> {
    await this.ready;
    const before = this.room.bytes;
    for (const entry of [...this.entries.values()]) this.forget(entry);
    await this.room.removed();
    return Math.max(0, before - this.room.bytes);
  }

  /** Resolves when no removal is under way and the cache keeps its limits. */
  async settled(): Promise<void> {
    await this.ready;
    await this.trim();
    await this.room.removed();
  }

  /** Resolves when the next start knows of every copy there is by now, also where this process is killed. */
  async remember(): Promise<void> {
    await this.ready;
    await this.index.written();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.rest.end();
    this.timer?.cancel();
    await this.ready;
    await this.trimming;
    await this.room.removed();
    await this.open.closeAll();
    this.index.close();
  }

  private async tidy(): Promise<void> {
    try {
      await reconcile(this.options, this.entries, {
        adopt: (entry) => this.index.changed(this.add(entry)),
        forget: (entry) => this.forget(entry),
        idAbove: (id) => void (this.nextId = Math.max(this.nextId, id + 1)),
        slack: (entry, bytes) => this.recharge(entry, () => (entry.slackBytes += bytes)),
        nextUse: () => ++this.uses,
      });
    } catch (error) {
      this.rest.begin(error);
    }
    this.isReady = true;
    await this.trim();
    this.watch();
  }

  private watch(): void {
    if (this.closed) return;
    this.timer = this.options.clock.after(checkMs, () => void this.trim().then(() => this.watch()));
  }

  private mayWrite(key: string): boolean {
    return !this.closed && this.room.limits.bytesMax > baseBytes && isCacheable(key) && this.rest.isOver;
  }

  private add(entry: Entry): Entry {
    this.entries.set(entry.key, entry);
    this.room.bytes += entry.charge;
    return entry;
  }

  private use(entry: Entry): void {
    entry.used = ++this.uses;
    this.entries.delete(entry.key);
    this.entries.set(entry.key, entry);
    this.index.changed(entry);
  }

  /** Only what was written is told to the index, and only after it was. */
  private record(entry: Entry, from: number, to: number, wanted: boolean): void {
    if (entry.gone) return;
    if (!wanted) return this.forget(entry);
    this.recharge(entry, () => entry.add(from, to));
    this.use(entry);
  }

  private recharge(entry: Entry, change: () => void): void {
    if (entry.gone) return;
    this.room.bytes -= entry.charge;
    change();
    this.room.bytes += entry.charge;
  }

  private forget(entry: Entry): void {
    if (entry.gone) return;
    entry.gone = true;
    if (this.entries.get(entry.key) === entry) this.entries.delete(entry.key);
    this.index.removed(entry);
    if (entry.users === 0) this.remove(entry);
  }

  private leave(entry: Entry): void {
    entry.users--;
    if (entry.gone && entry.users === 0) this.remove(entry);
  }

  private remove(entry: Entry): void {
    this.room.removing(entry.charge, this.open.forget(entry.id).then(() => this.io.unlink(this.path(entry))), (error) => this.rest.begin(error));
  }

  /** Forgets what was used longest ago and is not in use. */
  private evict(bytes: number): boolean {
    let leaving = 0;
    for (const entry of this.entries.values()) {
      if (entry.users > 0) continue;
      leaving += entry.charge;
      this.room.evicted(entry.charge);
      this.forget(entry);
      if (leaving >= bytes) break;
    }
    return leaving > 0;
  }

  private trim(): Promise<void> {
    this.trimming ??= this.trimNow()
      .catch((error: unknown) => this.rest.begin(error))
      .finally(() => (this.trimming = null));
    return this.trimming;
  }

  private async trimNow(): Promise<void> {
    await this.room.trim();
    if (this.entries.size > 0) await this.room.leavesFree(0);
  }

  private path(entry: Entry): string {
    return filePath(this.options.directory, entry);
  }
}

import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { Touched } from "#model/change-set.ts";
import type { ContentReferences, FileContent } from "#model/file-content.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import type { Publication } from "#model/history.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Changer } from "./access/permissions.ts";
import type { SharePolicy } from "./access/policy.ts";
import { AccessTimes } from "./access-times.ts";
import { Applying } from "./applying.ts";
import { InodeCache } from "./cache/inode-cache.ts";
import { NameCache } from "./cache/name-cache.ts";
import { Pages } from "./cache/pages.ts";
import { LockTable } from "./locks/index.ts";
import { Notifier } from "./notify/index.ts";
import { FewAtATime } from "./few-at-a-time.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import { Requests } from "./requests.ts";
import { OpenTable } from "./opens/open-table.ts";
import { OwnerTimes } from "./owner-times.ts";
import type { PersistentOpens } from "./opens/persistent-opens.ts";
import { Orphans } from "./orphans.ts";
import type { Operation } from "./operation.ts";

/** Pieces of copies in memory at a time. */
const copiesMax = 4;

export interface ShareOptions {
  readonly name: string;
  readonly store: MetadataStore;
  readonly content: FileContent;
  readonly publication: Publication | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy: SharePolicy;
  /** Bounds of the caches. */
  readonly inodesMax: number;
  readonly namesMax: number;
  /** Generation of the inodes this start of the server makes. */
  readonly generation: number;
}

/**
 * What the operations of one share have in common: stores, caches, tables of opens and locks. Caches are written by the store's
 * applied listener and by content alone (see `Applying`), so that what they hold is always the current state.
 */
export class ShareCore {
  readonly name: string;
  readonly generation: number;
  readonly store: MetadataStore;
  /** What no permission is asked for. */
  readonly content: Omit<FileContent, "write" | "truncate" | "punch" | "clone">;
  readonly publication: Publication | null;
  readonly clock: Clock;
  readonly inodes: InodeCache;
  readonly names: NameCache;
  readonly pages: Pages;
  readonly accessTimes: AccessTimes;
  readonly ownerTimes: OwnerTimes;
  readonly opens: OpenTable;
  readonly orphans: Orphans;
  /** Null: no open outlives the server. */
  persistent: PersistentOpens | null = null;
  readonly locks = new LockTable();
  readonly notify: Notifier;
  /** Moves of directories to other parents that lost a race to another such move. */
  readonly directoryMoves = new OneAtATime();
  /** Pieces of copies that are read and written: each is in memory meanwhile. */
  readonly copies = new FewAtATime(copiesMax);
  mayBeLate = false;
  private readonly data: FileContent;
  private readonly applying: Applying;
  private readonly requests: Requests;
  private rules: SharePolicy;

  constructor(options: ShareOptions) {
    const { store, content, clock, logger } = options;
    this.name = options.name;
    this.rules = options.policy;
    this.generation = options.generation;
    this.store = store;
    this.content = this.data = content;
    this.publication = options.publication;
    this.clock = clock;
    this.requests = new Requests(clock);
    this.opens = new OpenTable(clock, (id) => this.locks.anyOf(id));
    this.names = new NameCache(store, options.namesMax);
    this.pages = new Pages(store, this.names);
    this.inodes = new InodeCache(
      store,
      options.inodesMax,
      (row) => this.current(row),
      (node) => this.names.drop(node),
      (id) => this.opens.of(id) !== null,
    );
    this.notify = new Notifier(store, this.inodes, (error) => logger.error({ share: this.name, error }, "a changed object's path was not found out"));
    this.accessTimes = new AccessTimes(store, clock, (error) => logger.error({ share: this.name, error }, "access times were not stored"));
    this.ownerTimes = new OwnerTimes(store, clock, () => content.sequence(), (error) => logger.error({ share: this.name, error }, "the times of files whose streams were written were not stored"));
    this.orphans = new Orphans(
      store,
      clock,
      (id) => this.opens.of(id) !== null,
      (error) => logger.error({ share: this.name, error }, "a deleted file was not freed yet"),
    );
    this.applying = new Applying(this);
    store.onApplied((set, result) => this.applying.onApplied(set, result));
  }

  enter(): void {
    this.requests.enter();
  }

  leave(): void {
    this.requests.leave();
  }

  /**
   * Resolves once every request in hand was answered: with false, once `deadlineMs` passed and some still wait. Only a share that
   * no table has any more gets no new ones meanwhile.
   */
  drain(deadlineMs: number): Promise<boolean> {
    return this.requests.none(deadlineMs);
  }

  /** Keeps at most so many inodes and names in memory from now on. */
  resizeCaches(inodesMax: number, namesMax: number): void {
    this.inodes.resize(inodesMax);
    this.names.resize(namesMax);
  }

  /** Stores what only memory knows (times) and stops background work. The store and content are the caller's to close. */
  async close(): Promise<void> {
    await this.orphans.close();
    await this.accessTimes.close();
    await this.ownerTimes.close();
  }

  /** A stored row as the object is now. */
  current(row: Inode): Inode {
    return this.ownerTimes.over(this.accessTimes.over(row.type === FileType.regular ? this.content.overlay(row) : row));
  }

  /** A file's content changed: of a stream its owner's times do. */
  private changed(before: Inode, after: Inode | FsError): Inode | FsError {
    if (before.parent !== 0 && after instanceof Inode) this.noteOwner(before.parent as FileId);
    if (this.notify.size !== 0) this.notify.written(before, after);
    return after;
  }

  private noteOwner(id: FileId): void {
    this.ownerTimes.note(id);
    const owner = this.inodes.hit(id);
    if (owner !== null) this.inodes.replace(this.ownerTimes.over(owner));
  }

  /** Applies an operation's set; the rows it touched, or null when a condition failed and the operation must decide anew. */
  apply(who: Changer, operation: Operation, attempt: number): Promise<readonly Touched[] | FsError | null> {
    operation.by = who.parentKey ?? null;
    return this.applying.apply(operation, attempt);
  }

  /** Writes to a file; see `FileContent`. */
  writeContent(who: Changer, inode: Inode, offset: number, payload: readonly Uint8Array[], length: number): Inode | FsError {
    const written = this.changed(inode, this.data.write(inode, offset, payload, length, this.clock.now()));
    // What an open writes is told at its close.
    if (this.opens.size !== 0 && who.opened === undefined) this.listed(inode.id, null);
    return written;
  }

  /** Cuts or extends a file; see `FileContent`. */
  truncate(who: Changer, inode: Inode, size: number, at: Time): Inode | FsError {
    const cut = this.changed(inode, this.data.truncate(inode, size, at));
    if (this.opens.size !== 0) this.listed(inode.id, who.parentKey ?? null);
    return cut;
  }

  /** What listings of its directory show of an object has changed. */
  listed(id: FileId, by: string | null): void {
    this.opens.directoryChanged(this.inodes.peek(id)?.under ?? 0, by);
  }

  /** A file without a link has no reader left: content drops what is not stored, and what is stored is freed. */
  letGo(id: FileId, type: FileType, stored: boolean): void {
    this.inodes.remove(id);
    if (type === FileType.regular) this.data.forget(id);
    if (stored) this.orphans.add(id);
  }

  /** Has a range of a file store nothing; see `FileContent`. */
  punchContent(_who: Changer, inode: Inode, offset: number, length: number): Inode | FsError {
    return this.changed(inode, this.data.punch(inode, offset, length, this.clock.now()));
  }

  /** Has a file share stored bytes; see `FileContent`. */
  cloneContent(_who: Changer, inode: Inode, offset: number, from: ContentReferences): Inode | FsError {
    return this.changed(inode, this.data.clone(inode, offset, from, this.clock.now()));
  }

  /** Resolves when the making of an object is durable; null: it is. */
  made(id: FileId): Promise<unknown> | null {
    return this.inodes.peek(id)?.making?.settled ?? null;
  }

  get policy(): SharePolicy {
    return this.rules;
  }

  /** From the next operation on these rules hold. */
  setPolicy(policy: SharePolicy): void {
    this.rules = policy;
  }

  get writeVerifier(): Uint8Array {
    return this.content.writeVerifier;
  }
}

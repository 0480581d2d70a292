import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { Touched } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FileContent } from "#model/file-content.ts";
import { decodeFileHandle, encodeFileHandle, fileHandleBytes } from "#model/file-handle.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { Publication } from "#model/history.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Changer } from "./access/permissions.ts";
import type { SharePolicy } from "./access/policy.ts";
import { AccessTimes } from "./access-times.ts";
import { Applying } from "./applying.ts";
import { InodeCache } from "./cache/inode-cache.ts";
import { NameCache } from "./cache/name-cache.ts";
import type { Node } from "./cache/node.ts";
import { Pages } from "./cache/pages.ts";
import { badHandle, stale } from "./errors.ts";
import { isVerified, keepVerified } from "./handle-words.ts";
import type * as fs from "./file-system.ts";
import { type LockOwner, LockTable } from "./locks/index.ts";
import { Notifier } from "./notify/index.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import { Requests } from "./requests.ts";
import { Orphans } from "./orphans.ts";
import * as ops from "./ops/index.ts";
import type { Operation } from "./operation.ts";

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
 * One share: file semantics over a metadata store and content. The operations are functions in `ops/`, one file each; this
 * class holds what they share. Caches are written by the store's applied listener and by content alone (see `Applying`), so
 * that what they hold is always the current state.
 */
export class Share implements fs.FileSystem {
  readonly name: string;
  readonly generation: number;
  readonly store: MetadataStore;
  /** What no permission is asked for. */
  readonly content: Omit<FileContent, "write" | "truncate">;
  readonly publication: Publication | null;
  readonly clock: Clock;
  readonly inodes: InodeCache;
  readonly names: NameCache;
  readonly pages: Pages;
  readonly accessTimes: AccessTimes;
  readonly orphans: Orphans;
  readonly locks = new LockTable();
  readonly notify: Notifier;
  /** Moves of directories to other parents that lost a race to another such move. */
  readonly directoryMoves = new OneAtATime();
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
    this.names = new NameCache(store, options.namesMax);
    this.pages = new Pages(store, this.names);
    this.inodes = new InodeCache(
      store,
      options.inodesMax,
      (row) => this.current(row),
      (node) => this.names.drop(node),
    );
    this.notify = new Notifier(store, this.inodes, (error) => logger.error({ share: this.name, error }, "a changed object's path was not found out"));
    this.accessTimes = new AccessTimes(store, clock, (error) => logger.error({ share: this.name, error }, "access times were not stored"));
    this.orphans = new Orphans(store, clock, (error) => logger.error({ share: this.name, error }, "a deleted file was not freed yet"));
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

  /** Stores what only memory knows (access times) and stops background work. The store and content are the caller's to close. */
  async close(): Promise<void> {
    await this.orphans.close();
    await this.accessTimes.close();
  }

  /** A stored row as the object is now. */
  current(row: Inode): Inode {
    return this.accessTimes.over(row.type === FileType.regular ? this.content.overlay(row) : row);
  }

  /** Applies an operation's set; the rows it touched, or null when a condition failed and the operation must decide anew. */
  apply(_who: Changer, operation: Operation, attempt: number): Promise<readonly Touched[] | FsError | null> {
    return this.applying.apply(operation, attempt);
  }

  /** Writes to a file; see `FileContent`. */
  writeContent(_who: Changer, inode: Inode, offset: number, payload: readonly Uint8Array[], length: number): Inode | FsError {
    const written = this.data.write(inode, offset, payload, length, this.clock.now());
    if (this.notify.size !== 0) this.notify.written(inode, written);
    return written;
  }

  /** Cuts or extends a file; see `FileContent`. */
  truncate(_who: Changer, inode: Inode, size: number, at: Time): Inode | FsError {
    const cut = this.data.truncate(inode, size, at);
    if (this.notify.size !== 0) this.notify.written(inode, cut);
    return cut;
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

  handleOf(inode: Inode): Uint8Array {
    const node = this.inodes.peek(inode.id);
    if (node === undefined) return this.makeHandle(inode);
    return (node.handle ??= this.makeHandle(inode));
  }

  private makeHandle(inode: Inode): Uint8Array {
    const { instance, handleKey } = this.store.identity;
    const made = encodeFileHandle(instance, handleKey, { epoch: 0, id: inode.id, generation: inode.generation });
    // A copy that no view was made of carries no ArrayBuffer object: 100 bytes less of what is kept by the hundred thousand.
    return made.slice();
  }

  /** What a handle of this share's instance with this id refers to; the id is not to be trusted before the whole handle is checked. */
  locate(id: number, bytes: Uint8Array, offset: number): fs.Located | FsError {
    const node = this.inodes.node(id);
    if (node !== undefined && node.located !== null && isVerified(node, bytes, offset)) return node.located;
    return this.verify(bytes.subarray(offset, offset + fileHandleBytes));
  }

  private verify(bytes: Uint8Array): fs.Located | FsError {
    const { instance, handleKey } = this.store.identity;
    const parts = decodeFileHandle(instance, handleKey, bytes);
    if (parts === null) return badHandle;
    if (parts.epoch !== 0) return stale;
    const node = this.inodes.loadNode(parts.id);
    if (node instanceof Promise) {
      // Whoever uses the id reads the same row and learns what went wrong with it.
      node.catch(() => {});
      return { fs: this, id: parts.id };
    }
    return node === null ? { fs: this, id: parts.id } : this.locatedAt(node, parts.generation, bytes);
  }

  private locatedAt(node: Node, generation: number, bytes: Uint8Array): fs.Located | FsError {
    if (node.inode?.generation !== generation) return stale;
    if (node.located === null) {
      keepVerified(node, bytes);
      node.located = { fs: this, id: node.inode.id };
    }
    return node.located;
  }

  root(): Maybe<Inode> {
    return ops.root(this);
  }

  cached(id: FileId): Inode | null {
    return this.inodes.hit(id);
  }

  getattr(id: FileId): Maybe<Inode | FsError> {
    return this.inodes.hit(id) ?? ops.getattr(this, id);
  }

  setattr(who: Credentials, id: FileId, request: fs.AttributeRequest, guard: Inode["ctime"] | null): Promise<fs.Change | FsError> {
    return ops.setattr(this, who, id, request, guard);
  }

  lookup(who: Credentials, directory: FileId, name: string): Maybe<fs.LookedUp | FsError> {
    return ops.lookup(this, who, directory, name);
  }

  access(who: Credentials, id: FileId, wanted: number): Maybe<ops.Granted | FsError> {
    return ops.access(this, who, id, wanted);
  }

  readlink(who: Credentials, id: FileId): Maybe<ops.Link | FsError> {
    return ops.readlink(this, who, id);
  }

  read(who: Credentials, id: FileId, offset: number, length: number, by: LockOwner | null = null): Maybe<fs.ReadResult | FsError> {
    return ops.read(this, who, id, offset, length, by);
  }

  write(
    who: Credentials,
    id: FileId,
    offset: number,
    payload: readonly Uint8Array[],
    length: number,
    stable: boolean,
    by: LockOwner | null = null,
  ): Maybe<fs.Written | FsError> {
    return ops.write(this, who, id, offset, payload, length, stable, by);
  }

  commit(who: Credentials, id: FileId): Maybe<fs.Written | FsError> {
    return ops.commit(this, who, id);
  }

  create(who: Credentials, directory: FileId, name: string, how: fs.CreateHow): Promise<fs.Created | FsError> {
    return ops.create(this, who, directory, name, how);
  }

  mkdir(who: Credentials, directory: FileId, name: string, request: fs.AttributeRequest): Promise<fs.Created | FsError> {
    return ops.mkdir(this, who, directory, name, request);
  }

  symlink(who: Credentials, directory: FileId, name: string, target: Uint8Array, request: fs.AttributeRequest): Promise<fs.Created | FsError> {
    return ops.symlink(this, who, directory, name, target, request);
  }

  mknod(who: Credentials, directory: FileId, name: string, kind: fs.NodeKind, request: fs.AttributeRequest): Promise<fs.Created | FsError> {
    return ops.mknod(this, who, directory, name, kind, request);
  }

  remove(who: Credentials, directory: FileId, name: string): Promise<fs.Removed | FsError> {
    return ops.remove(this, who, directory, name);
  }

  rmdir(who: Credentials, directory: FileId, name: string): Promise<fs.Removed | FsError> {
    return ops.rmdir(this, who, directory, name);
  }

  rename(who: Credentials, from: FileId, fromName: string, to: FileId, toName: string): Promise<fs.Renamed | FsError> {
    return ops.rename(this, who, from, fromName, to, toName);
  }

  link(who: Credentials, id: FileId, directory: FileId, name: string): Promise<fs.Linked | FsError> {
    return ops.link(this, who, id, directory, name);
  }

  readdir(
    who: Credentials,
    directory: FileId,
    cookie: number,
    verifier: Uint8Array,
    withInodes: boolean,
    accept: (name: string) => boolean | null,
  ): Maybe<fs.Listing | FsError> {
    return ops.readdir(this, who, directory, cookie, verifier, withInodes, accept);
  }

  usage(): Maybe<fs.SpaceUsage> {
    return ops.usage(this);
  }
}

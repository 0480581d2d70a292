import type { Maybe } from "#base/brand.ts";
import { Lru } from "#base/lru.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { Descriptors } from "./descriptors.ts";
import { Node } from "./node.ts";

/** A read of the store that is waited for; `superseded` when the row changed meanwhile. */
interface InodeRead {
  superseded: boolean;
  promise: Promise<Node | null>;
}

/**
 * The share's inodes as they are now. Exact: written by the applied listener and by content alone, and by reads of rows that
 * did not change while they were read. Orphans are not in it, but for those that somebody has open: whatever else asks for one
 * learns that it is gone.
 */
export class InodeCache {
  private readonly nodes: Lru<Node>;
  private readonly reading = new Map<number, InodeRead>();
  readonly descriptors = new Descriptors();
  private readonly store: MetadataStore;
  private readonly current: (row: Inode) => Inode;
  private readonly dropped: (node: Node) => void;
  private readonly open: (id: FileId) => boolean;

  /** `current`: a stored row with what is not stored yet laid over it. `dropped`: told of each node that left. `open`: who has it open goes on using an orphan. */
  constructor(
    store: MetadataStore,
    capacity: number,
    current: (row: Inode) => Inode,
    dropped: (node: Node) => void,
    open: (id: FileId) => boolean,
  ) {
    this.store = store;
    this.nodes = new Lru(capacity);
    this.current = current;
    this.dropped = dropped;
    this.open = open;
  }

  resize(capacity: number): void {
    this.nodes.resize(capacity, (node) => this.let(node));
  }

  get size(): number {
    return this.nodes.size;
  }

  hit(id: number): Inode | null {
    const node = this.nodes.get(id);
    return node === undefined ? null : node.inode;
  }

  node(id: number): Node | undefined {
    return this.nodes.get(id);
  }

  peek(id: number): Node | undefined {
    return this.nodes.peek(id);
  }

  /** The object as it is now, or null if there is none with a link. */
  load(id: FileId): Maybe<Inode | null> {
    const node = this.nodes.get(id);
    if (node !== undefined) return node.inode;
    const read = this.read(id);
    return read instanceof Promise ? read.then(inodeOf) : inodeOf(read);
  }

  loadNode(id: FileId): Maybe<Node | null> {
    return this.nodes.get(id) ?? this.read(id);
  }

  /** The object is now this; does nothing if it is not cached. */
  replace(inode: Inode): void {
    const node = this.nodes.peek(inode.id);
    if (node !== undefined) node.inode = inode;
  }

  /** The object is now this. */
  admit(inode: Inode): Node {
    const held = this.nodes.get(inode.id);
    if (held !== undefined) {
      held.inode = inode;
      return held;
    }
    const node = new Node(inode);
    const evicted = this.nodes.add(node);
    if (evicted !== null) this.let(evicted);
    return node;
  }

  /** The row changed or went: a read under way must not bring back what it was. */
  supersede(id: number): void {
    if (this.reading.size === 0) return;
    const read = this.reading.get(id);
    if (read !== undefined) read.superseded = true;
  }

  remove(id: number): void {
    const node = this.nodes.peek(id);
    if (node === undefined) return;
    this.nodes.remove(node);
    this.let(node);
  }

  private let(node: Node): void {
    node.inode = null;
    this.dropped(node);
  }

  private read(id: FileId): Maybe<Node | null> {
    const under = this.reading.get(id);
    if (under !== undefined) return under.promise;
    const row = this.store.inode(id);
    const secured = row instanceof Promise ? row.then((arrived) => this.secured(arrived)) : this.secured(row);
    return secured instanceof Promise ? this.readLater(id, secured) : this.admitRow(secured);
  }

  /** A row with its security descriptor, without which nobody could be judged by it. */
  private secured(row: Inode | null): Maybe<Inode | null> {
    if (row === null || (row.flags & InodeFlag.hasSecurity) === 0) return row;
    const stored = this.store.xattr(row.id, XattrName.security);
    if (stored instanceof Promise) return stored.then((arrived) => row.with({ security: this.descriptors.of(arrived) }));
    return row.with({ security: this.descriptors.of(stored) });
  }

  private readLater(id: FileId, row: Promise<Inode | null>): Promise<Node | null> {
    const read: InodeRead = { superseded: false, promise: Promise.resolve(null) };
    read.promise = row.then(
      (arrived) => {
        this.reading.delete(id);
        return read.superseded ? this.loadNode(id) : this.admitRow(arrived);
      },
      (error: unknown) => {
        this.reading.delete(id);
        throw error;
      },
    );
    this.reading.set(id, read);
    return read.promise;
  }

  private admitRow(row: Inode | null): Node | null {
    return row === null || (row.links === 0 && !this.open(row.id)) ? null : this.admit(this.current(row));
  }
}

function inodeOf(node: Node | null): Inode | null {
  return node === null ? null : node.inode;
}

import type { Maybe } from "#base/brand.ts";
import { Recency } from "#base/lru.ts";
import type { FileId } from "#model/ids.ts";
import { foldKey } from "#model/fold-key.ts";
import type { Dirent } from "#model/inode.ts";
import { foldingMax, type MetadataStore } from "#model/metadata-store.ts";
import { after } from "../maybe.ts";
import { Entry, Folding, type NameRead, type Names, namesOf, type Node, nobody, type Page, unknownCookie } from "./node.ts";
import { dropPage, dropPages, leavePage } from "./pages.ts";

/** Names that came and were not placed in a listed directory's pages; past this the pages go instead. */
const unplacedMax = 256;

/** What a look-up by key is known by among those that wait: no name has a slash. */
function folded(key: string): string {
  return `/${key}`;
}

/**
 * What is known of names, those that are there and those that are not, in all directories of a share together. Exact, like the
 * inode cache, and by the same means. A directory's names leave with its node.
 */
export class NameCache {
  private readonly recency: Recency<Entry | Folding>;
  private readonly store: MetadataStore;

  constructor(store: MetadataStore, capacity: number) {
    this.store = store;
    this.recency = new Recency(capacity);
  }

  get capacity(): number {
    return this.recency.capacity;
  }

  resize(capacity: number): void {
    this.recency.resize(capacity, (held) => this.evict(held));
  }

  get size(): number {
    return this.recency.size;
  }

  /** The entry of this name, or one that says there is none. */
  load(directory: Node, name: string): Maybe<Entry> {
    const names = namesOf(directory);
    const known = names.byName.get(name);
    if (known !== undefined) {
      known.used = true;
      return known;
    }
    const read = this.store.dirent(directory.key as FileId, name);
    if (!(read instanceof Promise)) return this.keep(directory, name, read);
    return this.readLater(directory, names, name, read);
  }

  /** The entry called just so, where it is known. */
  exact(directory: Node, name: string): Entry | null {
    const known = directory.names === null ? undefined : directory.names.byName.get(name);
    if (known === undefined || known.id === nobody) return null;
    known.used = true;
    return known;
  }

  /** The entry that this name names whatever its case, the one called just so before others; null: there is none. */
  loadFolded(directory: Node, name: string): Maybe<Entry | null> {
    const exact = this.exact(directory, name);
    if (exact !== null) return exact;
    const names = namesOf(directory);
    const key = foldKey(name);
    const known = names.byKey?.get(key);
    if (known === undefined) return this.readFolding(directory, names, name, key);
    known.used = true;
    return this.oneOf(directory, known.names, name);
  }

  private oneOf(directory: Node, folding: readonly string[], name: string): Maybe<Entry | null> {
    const found = folding.includes(name) ? name : folding[0];
    if (found === undefined) return null;
    return after(this.load(directory, found), (entry) => {
      if (entry.id !== nobody) return entry;
      // It went while it was waited for: another may have been meant.
      return this.oneOf(directory, folding.filter((other) => other !== found), name);
    });
  }

  private readFolding(directory: Node, names: Names, name: string, key: string): Maybe<Entry | null> {
    const rows = this.store.direntsFolding(directory.key as FileId, key);
    if (!(rows instanceof Promise)) return this.admitFolding(directory, names, name, key, rows);
    const read: NameRead = names.reading.get(folded(key)) ?? { superseded: false };
    names.reading.set(folded(key), read);
    const done = (): void => {
      if (names.reading.get(folded(key)) === read) names.reading.delete(folded(key));
    };
    return rows.then(
      (arrived) => {
        done();
        return read.superseded && directory.inode !== null ? this.loadFolded(directory, name) : this.admitFolding(directory, names, name, key, arrived);
      },
      (error: unknown) => {
        done();
        throw error;
      },
    );
  }

  private admitFolding(directory: Node, names: Names, name: string, key: string, rows: readonly Dirent[]): Maybe<Entry | null> {
    for (let i = 0; i < rows.length; i++) this.keep(directory, (rows[i] as Dirent).name, rows[i] as Dirent);
    const folding = rows.map((row) => row.name);
    if (directory.inode !== null && directory.names === names && rows.length < foldingMax) this.keepFolding(new Folding(directory, key, folding), names);
    return this.oneOf(directory, folding, name);
  }

  private keepFolding(folding: Folding, names: Names): void {
    names.byKey ??= new Map();
    const known = names.byKey.get(folding.key);
    if (known !== undefined) this.recency.remove(known);
    names.byKey.set(folding.key, folding);
    const evicted = this.recency.add(folding);
    if (evicted !== null) this.evict(evicted);
  }

  /** Keeps what is known of the names with the key of one that came or went. */
  private refold(names: Names, name: string, came: boolean): void {
    if (names.byKey === null || names.byKey.size === 0) return;
    const folding = names.byKey.get(foldKey(name));
    if (folding === undefined) return;
    const others = folding.names.filter((other) => other !== name);
    folding.names = came ? [...others, name] : others;
    if (folding.names.length >= foldingMax) this.forgetFolding(folding);
  }

  private forgetFolding(folding: Folding): void {
    this.recency.remove(folding);
    folding.owner.names?.byKey?.delete(folding.key);
  }

  /** A name now refers to `child`. */
  inserted(directory: Node, name: string, child: FileId, childNode: Node | null): void {
    const names = directory.names;
    if (names === null) return;
    this.supersede(names, name);
    this.refold(names, name, true);
    this.put(directory, names, name, child, names.byName.get(name)).node = childNode;
    if (names.pages.length === 0) return;
    if (names.unplaced.length < unplacedMax) names.unplaced.push(name);
    else dropPages(names);
  }

  /** A name is gone. */
  deleted(directory: Node, name: string): void {
    const names = directory.names;
    if (names === null) return;
    this.supersede(names, name);
    this.refold(names, name, false);
    this.put(directory, names, name, nobody, names.byName.get(name));
  }

  /** Forgets what is known of a name, so that the next look-up asks the store. */
  forget(directory: Node, name: string): void {
    const folding = directory.names?.byKey?.get(foldKey(name));
    if (folding !== undefined) this.forgetFolding(folding);
    const entry = directory.names?.byName.get(name);
    if (entry === undefined) return;
    this.recency.remove(entry);
    this.evict(entry);
  }

  /** Forgets a directory. */
  drop(directory: Node): void {
    const names = directory.names;
    if (names === null) return;
    directory.names = null;
    for (const entry of names.byName.values()) this.recency.remove(entry);
    for (const folding of names.byKey?.values() ?? []) this.recency.remove(folding);
  }

  /** The entry of a row, known from now on. */
  keep(directory: Node, name: string, row: Dirent | null): Entry {
    const id = row === null ? nobody : row.child;
    const cookie = row === null ? unknownCookie : row.cookie;
    // A node that left the cache is told of no change any more: what is read for it is not kept.
    if (directory.inode === null) return new Entry(directory, name, id, cookie);
    const names = namesOf(directory);
    const known = names.byName.get(name);
    if (known !== undefined && known.id === id) {
      if (known.cookie === unknownCookie) known.cookie = cookie;
      return known;
    }
    const entry = this.put(directory, names, name, id, known);
    entry.cookie = cookie;
    return entry;
  }

  /** Puts an entry in the place of `old`. */
  private put(directory: Node, names: Names, name: string, id: FileId, old: Entry | undefined): Entry {
    if (old !== undefined) {
      this.recency.remove(old);
      leavePage(old);
    }
    const entry = new Entry(directory, name, id, unknownCookie);
    names.byName.set(name, entry);
    const evicted = this.recency.add(entry);
    if (evicted !== null) this.evict(evicted);
    return entry;
  }

  private evict(entry: Entry | Folding): void {
    const names = entry.owner.names;
    if (entry instanceof Folding) {
      if (names?.byKey?.get(entry.key) === entry) names.byKey.delete(entry.key);
      return;
    }
    if (names !== null && names.byName.get(entry.name) === entry) names.byName.delete(entry.name);
    // A page gives all entries of its range or it is no page.
    const page: Page | null = entry.page;
    if (page !== null) dropPage(page);
  }

  private supersede(names: Names, name: string): void {
    names.version++;
    if (names.reading.size === 0) return;
    const read = names.reading.get(name);
    if (read !== undefined) read.superseded = true;
    const folding = names.reading.get(folded(foldKey(name)));
    if (folding !== undefined) folding.superseded = true;
  }

  private readLater(directory: Node, names: Names, name: string, row: Promise<Dirent | null>): Promise<Entry> {
    const read: NameRead = names.reading.get(name) ?? { superseded: false };
    // A second reader starts later than a change that superseded the first, but sharing the mark only costs it one more read.
    names.reading.set(name, read);
    const done = (): void => {
      if (names.reading.get(name) === read) names.reading.delete(name);
    };
    return row.then(
      (arrived) => {
        done();
        return read.superseded && directory.inode !== null ? this.load(directory, name) : this.keep(directory, name, arrived);
      },
      (error: unknown) => {
        done();
        throw error;
      },
    );
  }
}

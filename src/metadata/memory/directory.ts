import { assert } from "#base/assert.ts";
import { foldColumn } from "#model/fold-key.ts";
import type { Cookie } from "#model/ids.ts";
import type { Dirent } from "#model/inode.ts";

/** Empty slots up to which the list of entries is not compacted. */
const holesMin = 64;

/**
 * The entries of one directory, by name and in cookie order. Cookies rise, so that a new entry is appended; a removed one
 * leaves a hole until the holes outnumber the entries. A page is a binary search and a walk.
 */
export class MemoryDirectory {
  private readonly names = new Map<string, Dirent>();
  /** By key, entries that are not their own; in cookie order but for what was undone. */
  private readonly folded = new Map<string, Set<Dirent>>();
  private cookies: number[] = [];
  private entries: (Dirent | null)[] = [];

  get size(): number {
    return this.names.size;
  }

  get(name: string): Dirent | null {
    return this.names.get(name) ?? null;
  }

  /** Entries with this key, in cookie order. */
  folding(key: string, limit: number): Dirent[] {
    const own = this.names.get(key);
    const others = this.folded.get(key);
    if (others === undefined) return own === undefined ? [] : [own];
    const all = own === undefined ? [...others] : [own, ...others];
    return all.sort((a, b) => a.cookie - b.cookie).slice(0, limit);
  }

  private fold(dirent: Dirent): void {
    const key = foldColumn(dirent.name);
    if (key === null) return;
    const same = this.folded.get(key);
    if (same === undefined) this.folded.set(key, new Set([dirent]));
    else same.add(dirent);
  }

  private unfold(dirent: Dirent): void {
    const key = foldColumn(dirent.name);
    if (key === null) return;
    const same = this.folded.get(key);
    same?.delete(dirent);
    if (same?.size === 0) this.folded.delete(key);
  }

  insert(dirent: Dirent): void {
    assert(!this.names.has(dirent.name), `directory ${dirent.parent} has an entry of that name already`);
    const last = this.cookies.at(-1);
    assert(last === undefined || last < dirent.cookie, "cookies must rise");
    this.names.set(dirent.name, dirent);
    this.fold(dirent);
    this.cookies.push(dirent.cookie);
    this.entries.push(dirent);
  }

  /** Takes the last inserted entry out again. */
  undoInsert(dirent: Dirent): void {
    this.names.delete(dirent.name);
    this.unfold(dirent);
    this.cookies.pop();
    this.entries.pop();
  }

  delete(name: string): Dirent {
    const dirent = this.names.get(name);
    assert(dirent !== undefined, "a change set deletes a directory entry that does not exist");
    this.names.delete(name);
    this.unfold(dirent);
    this.entries[this.firstAfter(dirent.cookie - 1)] = null;
    return dirent;
  }

  undoDelete(dirent: Dirent): void {
    this.names.set(dirent.name, dirent);
    this.fold(dirent);
    this.entries[this.firstAfter(dirent.cookie - 1)] = dirent;
  }

  /** Drops the holes where they are many; not between a change and its undoing. */
  compact(): void {
    const holes = this.entries.length - this.names.size;
    if (holes < holesMin || holes < this.names.size) return;
    this.entries = this.entries.filter((e) => e !== null);
    this.cookies = this.entries.map((e) => (e as Dirent).cookie);
  }

  /** Index of the first slot with a cookie above `cookie`. */
  private firstAfter(cookie: number): number {
    let low = 0;
    let high = this.cookies.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.cookies[middle] as number) > cookie) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  page(after: Cookie | 0, limit: number): Dirent[] {
    const page: Dirent[] = [];
    for (let i = this.firstAfter(after); i < this.entries.length && page.length < limit; i++) {
      const entry = this.entries[i] as Dirent | null;
      if (entry !== null) page.push(entry);
    }
    return page;
  }
}

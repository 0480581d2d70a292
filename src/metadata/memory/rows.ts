import { assert } from "#base/assert.ts";
import type { Extent, Pack } from "#model/change-set.ts";
import { foldColumn } from "#model/fold-key.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import { type Dirent, FileType, type Inode, type Xattr } from "#model/inode.ts";
import type { FileExtent, ScannedDirent } from "#model/metadata-store.ts";
import { KeyOrder } from "./key-order.ts";
import type { PackBytes, Rows } from "../rows.ts";
import { MemoryDirectory } from "./directory.ts";
import { MemoryXattrs } from "./xattrs.ts";
import { PackUsers } from "./pack-users.ts";
import { ExtentList } from "./extent-list.ts";

/** A share's rows in maps. A journal of undo steps makes a transaction of what lies between `begin` and `commit`. */
export class MemoryRows implements Rows {
  private readonly inodes = new Map<number, Inode>();
  private readonly directories = new Map<number, MemoryDirectory>();
  private readonly files = new Map<number, ExtentList>();
  private readonly packRows = new Map<number, Pack>();
  private readonly orphanIds = new Set<number>();
  private readonly users = new PackUsers();
  private readonly inodeOrder = new KeyOrder(this.inodes);
  private readonly directoryOrder = new KeyOrder(this.directories);
  private readonly fileOrder = new KeyOrder(this.files);
  private journal: (() => void)[] = [];
  private readonly xattrRows = new MemoryXattrs((undo) => this.journal.push(undo));
  private readonly shrunk = new Set<MemoryDirectory>();

  begin(): void {
    this.journal = [];
  }

  commit(): void {
    this.journal = [];
    for (const directory of this.shrunk) directory.compact();
    this.shrunk.clear();
  }

  rollback(): void {
    for (let i = this.journal.length - 1; i >= 0; i--) this.journal[i]?.();
    this.journal = [];
    this.shrunk.clear();
  }

  inode(id: FileId): Inode | null {
    return this.inodes.get(id) ?? null;
  }

  dirent(parent: FileId, name: string): Dirent | null {
    return this.directories.get(parent)?.get(name) ?? null;
  }

  directory(parent: FileId, after: Cookie | 0, limit: number): readonly Dirent[] {
    return this.directories.get(parent)?.page(after, limit) ?? [];
  }

  direntsFolding(parent: FileId, key: string, limit: number): readonly Dirent[] {
    return this.directories.get(parent)?.folding(key, limit) ?? [];
  }

  xattr(id: FileId, name: string): Uint8Array | null {
    return this.xattrRows.get(id, name);
  }

  xattrs(id: FileId): readonly Xattr[] {
    return this.xattrRows.all(id);
  }

  hasEntries(id: FileId): boolean {
    return (this.directories.get(id)?.size ?? 0) > 0;
  }

  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] {
    return this.files.get(file)?.overlapping(offset, end, limit) ?? [];
  }

  orphans(after: number, limit: number): readonly FileId[] {
    return this.sortedAfter(this.orphanIds, after, limit) as FileId[];
  }

  pack(id: PackId): Pack | null {
    return this.packRows.get(id) ?? null;
  }

  packs(after: number, limit: number): readonly Pack[] {
    return this.sortedAfter(this.packRows.keys(), after, limit).map((id) => this.packRows.get(id) as Pack);
  }

  extentsOfPack(id: PackId, limit: number): readonly FileExtent[] {
    const found: { file: FileId; extent: Extent }[] = [];
    for (const file of this.users.files(id)) {
      for (const extent of this.files.get(file)?.all() ?? []) {
        if (extent.pack !== id) continue;
        if (found.length === limit) return found;
        found.push({ file: file as FileId, extent });
      }
    }
    return found;
  }

  lastContentSequence(): number {
    let last = 0;
    for (const { contentSequence, mtimeSequence } of this.inodes.values()) last = Math.max(last, contentSequence, mtimeSequence);
    return last;
  }

  liveBytes(id: PackId): number {
    let bytes = 0;
    for (const { extent } of this.extentsOfPack(id, Number.MAX_SAFE_INTEGER)) bytes += extent.length;
    return bytes;
  }

  countUsage(): { readonly inodes: number; readonly bytes: number } {
    let inodes = 0;
    let bytes = 0;
    for (const inode of this.inodes.values()) {
      if (inode.links <= 0) continue;
      inodes++;
      if (inode.type === FileType.regular) bytes += inode.used;
    }
    return { inodes, bytes };
  }

  scanInodes(after: number, limit: number): readonly Inode[] {
    const page: Inode[] = [];
    this.inodeOrder.each(after, (inode) => page.push(inode) < limit);
    return page;
  }

  scanDirents(parent: number, cookie: number, limit: number): readonly ScannedDirent[] {
    const page: Dirent[] = this.directories.get(parent)?.page(Math.max(0, cookie) as Cookie, limit) ?? [];
    if (page.length < limit) {
      this.directoryOrder.each(parent, (directory) => {
        page.push(...directory.page(0, limit - page.length));
        return page.length < limit;
      });
    }
    return page.map((dirent) => ({ ...dirent, folded: foldColumn(dirent.name) }));
  }

  scanExtents(file: number, offset: number, limit: number): readonly FileExtent[] {
    const page: FileExtent[] = [];
    const add = (list: ExtentList, id: number, after: number): boolean => {
      for (const extent of list.beginningIn(after + 1, Number.MAX_SAFE_INTEGER)) {
        if (page.push({ file: id as FileId, extent }) >= limit) return false;
      }
      return true;
    };
    const begun = this.files.get(file);
    if (begun === undefined || add(begun, file, offset)) this.fileOrder.each(file, (list, id) => add(list, id, -1));
    return page;
  }

  scanXattrs(id: number, name: string, limit: number): readonly Xattr[] {
    return this.xattrRows.scan(id, name, limit);
  }

  private sortedAfter(ids: Iterable<number>, after: number, limit: number): number[] {
    const above: number[] = [];
    for (const id of ids) if (id > after) above.push(id);
    return above.sort((a, b) => a - b).slice(0, limit);
  }

  insertDirent(parent: FileId, name: string, child: FileId, cookie: Cookie): void {
    let directory = this.directories.get(parent);
    if (directory === undefined) {
      directory = new MemoryDirectory();
      this.directories.set(parent, directory);
      this.directoryOrder.forget();
    }
    const dirent = { parent, name, child, cookie };
    const into = directory;
    into.insert(dirent);
    this.journal.push(() => into.undoInsert(dirent));
  }

  deleteDirent(parent: FileId, name: string): void {
    const directory = this.directories.get(parent);
    assert(directory !== undefined, "a change set deletes a directory entry that does not exist");
    const dirent = directory.delete(name);
    this.shrunk.add(directory);
    this.journal.push(() => directory.undoDelete(dirent));
  }

  setXattr(id: FileId, name: string, value: Uint8Array | null): void {
    this.xattrRows.set(id, name, value);
  }

  deleteXattrs(id: FileId): void {
    this.xattrRows.deleteAll(id);
  }

  packBytes(file: FileId, from: number, to: number): readonly PackBytes[] {
    const sums = new Map<PackId, number>();
    for (const e of this.files.get(file)?.beginningIn(from, to) ?? []) sums.set(e.pack, (sums.get(e.pack) ?? 0) + e.length);
    return [...sums].map(([pack, bytes]) => ({ pack, bytes }));
  }

  deleteExtents(file: FileId, from: number, to: number): void {
    const list = this.files.get(file);
    if (list === undefined) return;
    const removed = list.remove(from, to);
    for (const e of removed) this.users.add(e.pack, file, -1);
    if (list.size === 0) this.files.delete(file);
    this.journal.push(() => {
      this.files.set(file, list);
      list.restore(removed);
      for (const e of removed) this.users.add(e.pack, file, 1);
    });
  }

  replaceExtent(file: FileId, extent: Extent): void {
    this.deleteExtents(file, extent.offset, extent.offset + 1);
    this.insertExtent(file, extent);
  }

  insertExtent(file: FileId, extent: Extent): void {
    let list = this.files.get(file);
    if (list === undefined) {
      list = new ExtentList();
      this.files.set(file, list);
      this.fileOrder.forget();
    }
    const into = list;
    into.insert(extent);
    this.users.add(extent.pack, file, 1);
    this.journal.push(() => {
      into.remove(extent.offset, extent.offset + 1);
      this.users.add(extent.pack, file, -1);
      if (into.size === 0) this.files.delete(file);
    });
  }

  private put<K, V>(map: Map<K, V>, key: K, value: V): void {
    const old = map.get(key);
    map.set(key, value);
    this.journal.push(() => (old === undefined ? map.delete(key) : map.set(key, old)));
  }

  private drop<K, V>(map: Map<K, V>, key: K): void {
    const old = map.get(key);
    if (old === undefined) return;
    map.delete(key);
    this.journal.push(() => map.set(key, old));
  }

  insertInode(row: Inode): void {
    assert(!this.inodes.has(row.id), `a change set inserts inode ${row.id}, which exists`);
    this.put(this.inodes, row.id, row);
    this.inodeOrder.forget();
  }

  updateInode(row: Inode): void {
    this.put(this.inodes, row.id, row);
  }

  deleteInode(id: FileId): void {
    this.drop(this.inodes, id);
    const directory = this.directories.get(id);
    if (directory?.size === 0) this.drop(this.directories, id);
  }

  insertOrphan(id: FileId): void {
    if (this.orphanIds.has(id)) return;
    this.orphanIds.add(id);
    this.journal.push(() => this.orphanIds.delete(id));
  }

  deleteOrphan(id: FileId): void {
    if (!this.orphanIds.delete(id)) return;
    this.journal.push(() => this.orphanIds.add(id));
  }

  insertPack(pack: Pack): void {
    this.put(this.packRows, pack.id, pack);
  }

  updatePack(pack: Pack): void {
    this.put(this.packRows, pack.id, pack);
  }

  updatePackLive(id: PackId, live: number): void {
    const pack = this.packRows.get(id);
    assert(pack !== undefined, "no such pack");
    this.put(this.packRows, id, { ...pack, live });
  }

  deletePack(id: PackId): void {
    this.drop(this.packRows, id);
  }

  putTotals(): void {}
}

import type { Database } from "bun:sqlite";
import { assert } from "#base/assert.ts";
import { Time } from "#base/time.ts";
import type { Extent, Pack, PackState } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import { foldColumn } from "#model/fold-key.ts";
import type { Dirent, Inode, Xattr } from "#model/inode.ts";
import type { FileExtent, ScannedDirent } from "#model/metadata-store.ts";
import type { PackBytes, Rows, Totals } from "../rows.ts";
import { InodeCache } from "./inode-cache.ts";
import { type InodeRow, toInode } from "./inode-row.ts";
import { MetaKey } from "./schema.ts";
import type { Statements } from "./statements.ts";

interface DirentRow {
  readonly name: string;
  readonly child: FileId;
  readonly cookie: Cookie;
}
interface ExtentRow {
  readonly file: FileId;
  readonly start: number;
  readonly length: number;
  readonly pack: PackId;
  readonly pack_start: number;
}
interface PackRow {
  readonly id: PackId;
  readonly key: string;
  readonly state: PackState;
  readonly size: number;
  readonly live: number;
  readonly since_sec: number;
  readonly since_nsec: number;
  readonly frames: Uint8Array;
}

function toPack(r: PackRow): Pack {
  return {
    id: r.id,
    key: r.key,
    state: r.state,
    size: r.size,
    live: r.live,
    frames: r.frames,
    since: new Time(r.since_sec, r.since_nsec),
  };
}

/** A share's rows in SQLite: each method is one prepared statement. */
export class SqliteRows implements Rows {
  private readonly db: Database;
  private readonly s: Statements;
  private readonly cache = new InodeCache();
  /** Inodes this transaction wrote; the cache hears of them at its commit. */
  private written: (Inode | FileId)[] = [];

  constructor(db: Database, statements: Statements) {
    this.db = db;
    this.s = statements;
  }

  begin(): void {
    this.s.begin.run();
  }

  commit(): void {
    this.s.commit.run();
    const written = this.written;
    for (let i = 0; i < written.length; i++) {
      const one = written[i] as Inode | FileId;
      if (typeof one === "number") this.cache.delete(one);
      else this.cache.put(one);
    }
    this.written = [];
  }

  rollback(): void {
    this.written = [];
    // SQLite has rolled back by itself after some errors (SQLITE_FULL among them).
    if (this.db.inTransaction) this.s.rollback.run();
  }

  inode(id: FileId): Inode | null {
    const cached = this.cache.get(id);
    if (cached !== undefined) return cached;
    const row = this.s.inode.get(id) as InodeRow | null;
    if (row === null) return null;
    const inode = toInode(row);
    this.cache.put(inode);
    return inode;
  }

  dirent(parent: FileId, name: string): Dirent | null {
    const row = this.s.dirent.get(parent, name) as DirentRow | null;
    return row === null ? null : { parent, name, child: row.child, cookie: row.cookie };
  }

  directory(parent: FileId, after: Cookie | 0, limit: number): readonly Dirent[] {
    const rows = this.s.directory.all(parent, after, limit) as DirentRow[];
    const page: Dirent[] = new Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as DirentRow;
      page[i] = { parent, name: row.name, child: row.child, cookie: row.cookie };
    }
    return page;
  }

  direntsFolding(parent: FileId, key: string, limit: number): readonly Dirent[] {
    const found = (this.s.direntsFolding.all(parent, key, limit) as DirentRow[]).map(({ name, child, cookie }) => ({ parent, name, child, cookie }));
    return found.length > 1 ? found.sort((a, b) => a.cookie - b.cookie) : found;
  }

  xattr(id: FileId, name: string): Uint8Array | null {
    return (this.s.xattr.get(id, name) as { value: Uint8Array } | null)?.value ?? null;
  }

  xattrs(id: FileId): readonly Xattr[] {
    return this.s.xattrs.all(id) as Xattr[];
  }

  hasEntries(id: FileId): boolean {
    return this.s.directory.get(id, 0, 1) !== null;
  }

  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] {
    const rows = this.s.extents.all(file, offset, end, limit + 1) as ExtentRow[];
    const found: Extent[] = [];
    for (let i = 0; i < rows.length && found.length < limit; i++) {
      const r = rows[i] as ExtentRow;
      if (r.start + r.length > offset) found.push({ offset: r.start, length: r.length, pack: r.pack, packOffset: r.pack_start });
    }
    return found;
  }

  orphans(after: number, limit: number): readonly FileId[] {
    return (this.s.orphans.all(after, limit) as { id: FileId }[]).map((row) => row.id);
  }

  pack(id: PackId): Pack | null {
    const row = this.s.pack.get(id) as PackRow | null;
    return row === null ? null : toPack(row);
  }

  packs(after: number, limit: number): readonly Pack[] {
    return (this.s.packs.all(after, limit) as PackRow[]).map(toPack);
  }

  extentsOfPack(id: PackId, limit: number): readonly FileExtent[] {
    return (this.s.extentsOfPack.all(id, limit) as ExtentRow[]).map((r) => ({
      file: r.file,
      extent: { offset: r.start, length: r.length, pack: id, packOffset: r.pack_start },
    }));
  }

  liveBytes(id: PackId): number {
    return (this.s.liveBytes.get(id) as { bytes: number }).bytes;
  }

  countUsage(): { readonly inodes: number; readonly bytes: number } {
    return this.s.countUsage.get() as { inodes: number; bytes: number };
  }

  scanInodes(after: number, limit: number): readonly Inode[] {
    return (this.s.scanInodes.all(after, limit) as InodeRow[]).map(toInode);
  }

  scanDirents(parent: number, cookie: number, limit: number): readonly ScannedDirent[] {
    return this.s.scanDirents.all(parent, cookie, limit) as ScannedDirent[];
  }

  scanExtents(file: number, offset: number, limit: number): readonly FileExtent[] {
    return (this.s.scanExtents.all(file, offset, limit) as ExtentRow[]).map((r) => ({
      file: r.file,
      extent: { offset: r.start, length: r.length, pack: r.pack, packOffset: r.pack_start },
    }));
  }

  scanXattrs(id: number, name: string, limit: number): readonly Xattr[] {
    return this.s.scanXattrs.all(id, name, limit) as Xattr[];
  }

  lastContentSequence(): number {
    return (this.s.lastContentSequence.get() as { last: number }).last;
  }

  insertDirent(parent: FileId, name: string, child: FileId, cookie: Cookie): void {
    const folded = foldColumn(name);
    if (folded === null) this.s.insertDirent.run(parent, name, child, cookie);
    else this.s.insertFolded.run(parent, name, child, cookie, folded);
  }

  deleteDirent(parent: FileId, name: string): void {
    const { changes } = this.s.deleteDirent.run(parent, name);
    assert(changes === 1, "a change set deletes a directory entry that does not exist");
  }

  setXattr(id: FileId, name: string, value: Uint8Array | null): void {
    if (value === null) this.s.deleteXattr.run(id, name);
    else this.s.putXattr.run(id, name, value);
  }

  deleteXattrs(id: FileId): void {
    this.s.deleteXattrs.run(id);
  }

  packBytes(file: FileId, from: number, to: number): readonly PackBytes[] {
    return this.s.packBytes.all(file, from, to) as PackBytes[];
  }

  deleteExtents(file: FileId, from: number, to: number): void {
    this.s.deleteExtents.run(file, from, to);
  }

  insertExtent(file: FileId, e: Extent): void {
    this.s.insertExtent.run(file, e.offset, e.length, e.pack, e.packOffset);
  }

  replaceExtent(file: FileId, e: Extent): void {
    this.s.replaceExtent.run(e.length, e.pack, e.packOffset, file, e.offset);
  }

  insertInode(i: Inode): void {
    const { atime, mtime, ctime, birth } = i;
    this.s.insertInode.run(
      i.id, i.type, i.mode, i.links, i.uid, i.gid, i.size, i.used, i.deviceMajor, i.deviceMinor,
      atime.sec, atime.nsec, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec, birth.sec, birth.nsec,
      i.change, i.attributeVersion, i.contentSequence, i.mtimeSequence, i.parent, i.generation, i.createVerifier, i.target, i.flags,
    );
    this.written.push(i);
  }

  updateInode(i: Inode, stored: Inode): void {
    const { atime, mtime, ctime, birth } = i;
    this.s.updateInode.run(
      i.mode, i.links, i.uid, i.gid, i.size, i.used,
      atime.sec, atime.nsec, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec, i.change,
      i.attributeVersion, i.contentSequence, i.mtimeSequence, i.parent, i.createVerifier, i.id,
    );
    if (i.flags !== stored.flags || !birth.equals(stored.birth)) this.s.updateBirthAndFlags.run(birth.sec, birth.nsec, i.flags, i.id);
    this.written.push(i);
  }

  deleteInode(id: FileId): void {
    this.s.deleteInode.run(id);
    this.written.push(id);
  }

  insertOrphan(id: FileId): void {
    this.s.insertOrphan.run(id);
  }

  deleteOrphan(id: FileId): void {
    this.s.deleteOrphan.run(id);
  }

  insertPack(p: Pack): void {
    this.s.insertPack.run(p.id, p.key, p.state, p.size, p.live, p.since.sec, p.since.nsec, p.frames);
  }

  updatePack(p: Pack): void {
    this.s.updatePack.run(p.key, p.state, p.size, p.live, p.since.sec, p.since.nsec, p.frames, p.id);
  }

  updatePackLive(id: PackId, live: number): void {
    this.s.updatePackLive.run(live, id);
  }

  deletePack(id: PackId): void {
    this.s.deletePack.run(id);
  }

  putTotals(totals: Totals, stored: Totals): void {
    if (totals.treeVersion !== stored.treeVersion) this.s.putMeta.run(totals.treeVersion, MetaKey.treeVersion);
    if (totals.inodes !== stored.inodes) this.s.putMeta.run(totals.inodes, MetaKey.inodes);
    if (totals.bytes !== stored.bytes) this.s.putMeta.run(totals.bytes, MetaKey.bytes);
  }
}

import type { Clock } from "#base/clock.ts";
import type { Pack } from "#model/change-set.ts";
import type { FileId } from "#model/ids.ts";
import type { Dirent, Inode, Xattr } from "#model/inode.ts";
import { type FileExtent, type MetadataStore, scansOf } from "#model/metadata-store.ts";
import { MetadataStoreError } from "./errors.ts";
import type { EngineRows } from "./rows.ts";

/** Rows of one page, and of one transaction. */
const pageRows = 512;
/** The same of extended attributes, each of which may be 64 KiB. */
const pageXattrs = 64;
const least = Number.MIN_SAFE_INTEGER;

export interface TableCopy {
  /** Nothing is applied to it meanwhile. */
  readonly source: MetadataStore;
  readonly clock: Clock;
  /** Told of rows that were written; may throw to end the work. */
  readonly wrote: (rows: number) => void;
}

/** Puts every row of a store into the rows of one that has none yet; the event loop has its turn between pages. */
export async function copyTables(rows: EngineRows, { source, clock, wrote }: TableCopy): Promise<void> {
  const tables = scansOf(source);
  if (tables === null) throw new MetadataStoreError("this metadata store can't be moved: it doesn't give its tables as a whole");
  const each = async <T>(next: (last: T | null) => readonly T[] | Promise<readonly T[]>, write: (row: T) => void, full = pageRows): Promise<void> => {
    for (let last: T | null = null; ; ) {
      const page: readonly T[] = await next(last);
      rows.begin();
      for (const row of page) write(row);
      rows.commit();
      wrote(page.length);
      if (page.length < full) return;
      last = page[page.length - 1] as T;
      await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
    }
  };
  await each<Inode>((last) => tables.scanInodes(last?.id ?? least, pageRows), (inode) => rows.insertInode(inode));
  await each<Dirent>((last) => tables.scanDirents(last?.parent ?? least, last?.cookie ?? least, pageRows), ({ parent, name, child, cookie }) => rows.insertDirent(parent, name, child, cookie));
  await each<FileExtent>((last) => tables.scanExtents(last?.file ?? least, last?.extent.offset ?? least, pageRows), ({ file, extent }) => rows.insertExtent(file, extent));
  await each<Xattr>((last) => tables.scanXattrs(last?.id ?? least, last?.name ?? "", pageXattrs), ({ id, name, value }) => rows.setXattr(id, name, value), pageXattrs);
  await each<Pack>((last) => source.packs(last?.id ?? least, pageRows), (pack) => rows.insertPack(pack));
  await each<FileId>((last) => source.orphans(last ?? least, pageRows), (id) => rows.insertOrphan(id));
}

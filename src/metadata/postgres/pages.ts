import type { Pack } from "#model/change-set.ts";
import type { Cookie, FileId } from "#model/ids.ts";
import type { Dirent, Xattr } from "#model/inode.ts";
import { nameOfBytes, type Row, toDirent, toInode, toPack, toXattr } from "./decode.ts";
import type { Fetcher } from "./fetcher.ts";
import { statements } from "./statements.ts";
import type { View } from "./view.ts";

/** What a kind of page is put together from. */
interface Kind<T> {
  readonly statement: string;
  readonly values: readonly number[];
  readonly toItem: (row: Row) => T;
  readonly keyOf: (item: T) => number;
  /** Whether a batch on its way says something else of this item. */
  readonly overlaid: (item: T) => boolean;
  /** What batches on their way say is there. */
  readonly overlay: () => readonly T[];
}

/**
 * Pages in the order of a key: what the database has, with what is on its way there laid over it at the moment it arrives. A page is
 * short only at the end.
 */
export class PageReader {
  private readonly view: View;
  private readonly fetcher: Fetcher;

  constructor(view: View, fetcher: Fetcher) {
    this.view = view;
    this.fetcher = fetcher;
  }

  private async page<T>(kind: Kind<T>, after: number, limit: number): Promise<T[]> {
    const page: T[] = [];
    let from = after;
    for (;;) {
      const wanted = limit - page.length;
      const more = await this.fetcher.query(kind.statement, [...kind.values, from, wanted], (rows) => {
        const stored = rows.map(kind.toItem);
        const last = stored.at(-1);
        const upTo = stored.length < wanted || last === undefined ? Number.POSITIVE_INFINITY : kind.keyOf(last);
        const found = stored.filter((item) => !kind.overlaid(item));
        for (const item of kind.overlay()) if (kind.keyOf(item) > from && kind.keyOf(item) <= upTo) found.push(item);
        found.sort((a, b) => kind.keyOf(a) - kind.keyOf(b));
        // What was overlaid of an earlier part may have been let go since: that part would be read again from here.
        page.push(...found.slice(0, wanted));
        from = upTo;
        return upTo !== Number.POSITIVE_INFINITY;
      });
      if (!more || page.length >= limit) return page;
    }
  }

  directory(parent: FileId, after: Cookie | 0, limit: number): Promise<Dirent[]> {
    const { view } = this;
    return this.page<Dirent>(
      {
        statement: statements.directory,
        values: [parent],
        toItem: (row) => {
          const child = toInode(row, 3);
          if (child !== null) view.admitInode(child.id, child);
          return toDirent(parent, nameOfBytes(row[0]), row, 1);
        },
        keyOf: (dirent) => dirent.cookie,
        overlaid: ({ name }) => (view.names.all.get(parent)?.names.get(name)?.pins ?? 0) > 0,
        overlay: () => [...(view.names.all.get(parent)?.pinned ?? [])].flatMap(({ row }) => (row === null ? [] : [row])),
      },
      after,
      limit,
    );
  }

  packs(after: number, limit: number): Promise<Pack[]> {
    const { view } = this;
    return this.page<Pack>(
      {
        statement: statements.packPage,
        values: [],
        toItem: toPack,
        keyOf: (pack) => pack.id,
        overlaid: ({ id }) => (view.packs.get(id)?.pins ?? 0) > 0,
        overlay: () => [...view.pinnedPacks].flatMap(({ row }) => (row === null ? [] : [row])),
      },
      after,
      limit,
    );
  }

  orphans(after: number, limit: number): Promise<FileId[]> {
    const { view } = this;
    return this.page<FileId>(
      {
        statement: statements.orphans,
        values: [],
        toItem: (row) => row[0] as FileId,
        keyOf: (id) => id,
        overlaid: (id) => view.orphans.has(id),
        overlay: () => [...view.orphans.values()].flatMap(({ id, present }) => (present ? [id] : [])),
      },
      after,
      limit,
    );
  }

  /** The extended attributes of an inode, by name. */
  xattrs(id: FileId): Promise<readonly Xattr[]> {
    return this.fetcher.query(statements.xattrs, [id], (rows) => {
      const underway = this.view.xattrs.get(id);
      const stored = rows.map(toXattr);
      if (underway === undefined) return stored;
      const kept = underway.bare ? [] : stored.filter(({ name }) => !underway.values.has(name));
      for (const [name, value] of underway.values) if (value !== null) kept.push({ id, name, value });
      return kept.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }
}

import type { PostgresSession } from "#base/postgres/session.ts";
import type { Random } from "#base/random.ts";
import type { Pack } from "#model/change-set.ts";
import type { FileId } from "#model/ids.ts";
import type { Dirent, Inode, Xattr } from "#model/inode.ts";
import { type FileExtent, type MetadataStore, scansOf } from "#model/metadata-store.ts";
import { MetadataStoreError } from "../errors.ts";
import { type PostgresAccess, removePostgresShare, withSession } from "./connect.ts";
import { type CopiedRows, encodeCopied } from "./encode.ts";
import { migrate, take } from "./open.ts";
import { run } from "./sessions.ts";
import { statements } from "./statements.ts";

/** Rows of one statement. */
const pageRows = 512;
/** The same of extended attributes, each of which may be 64 KiB. */
const pageXattrs = 64;
const least = Number.MIN_SAFE_INTEGER;
/** What is being made is known by its share's key and this. */
const unfinished = ".importing";
/** What a share was moved away from is known by its key, this and when. */
const left = ".moved-";

export interface ImportOptions {
  readonly access: PostgresAccess;
  /** What the share is known by in the database. */
  readonly key: string;
  readonly name: string;
  readonly holder: string;
  readonly source: MetadataStore;
  readonly random: Random;
  /** Told of rows that were written; may throw to end the work. */
  readonly wrote: (rows: number) => void;
  /** Looks at what was made, under the key it has until then; throws where it is not as it should be. */
  readonly verify: (key: string) => Promise<void>;
}

/**
 * Makes a share with every row of a store to which nothing is applied meanwhile, and its identity, so that handles stay good. It gets its key
 * once it is whole and verified; what was cut off before is begun anew. Rows under the key are taken for what an earlier move left: whoever
 * calls has looked whose they are.
 */
export async function importIntoPostgres(options: ImportOptions): Promise<void> {
  const { access, key, source } = options;
  const made = `${key}${unfinished}`;
  await removePostgresShare(access, made);
  await withSession(access, async (session, server) => {
    await migrate(session, server, "DittoFS");
    await fill(session, made, options);
  });
  await options.verify(made);
  await withSession(access, async (session) => {
    await session.execute("begin");
    await setKeyAside(session, key, access);
    await run(session, "update dittofs_share set key = $2 where key = $1 and instance = $3", [made, key, source.identity.instance]);
    await session.execute("commit");
  });
}

/** Whoever opens the share from here finds nothing of it any more; its rows stay under another key. */
export function setPostgresShareAside(access: PostgresAccess, key: string): Promise<void> {
  return withSession(access, (session) => setKeyAside(session, key, access));
}

async function setKeyAside(session: PostgresSession, key: string, { clock }: PostgresAccess): Promise<void> {
  await run(session, "update dittofs_share set key = $2 where key = $1", [key, `${key}${left}${clock.now().sec}.${clock.now().nsec}`]);
}

/** Keys of what moves of a share have left in a database. */
export function leftKeysOf(access: PostgresAccess, key: string): Promise<readonly string[]> {
  return withSession(access, async (session) => {
    if ((await session.execute("select where to_regclass('dittofs_share') is not null")).length === 0) return [];
    const rows = await run(session, "select key from dittofs_share where starts_with(key, $1) or key = $2", [`${key}${left}`, `${key}${unfinished}`]);
    return rows.map(([found]) => found as string);
  });
}

async function fill(session: PostgresSession, key: string, { name, holder, source, random, wrote }: ImportOptions): Promise<void> {
  const { instance, handleKey } = source.identity;
  const { inodes, bytes } = await source.usage();
  // Numbers that were given are never given again.
  await run(session, "insert into dittofs_share (key, name, instance, handle_key, epoch, reserved, tree_version, inodes, bytes) values ($1, $2, $3, $4, 0, $5, 0, 0, 0)", [key, name, instance, handleKey, source.draw()]);
  const { share, epoch } = await take(session, { key, name, holder, writer: "DittoFS", random, examine: () => {} });
  let batch = 0;
  const put = (rows: CopiedRows, totals: readonly [number, number, number] = [0, 0, 0]) => run(session, statements.apply, [share, epoch, ++batch, ...totals, ...encodeCopied(rows)]);
  await copyTables(source, put, wrote);
  await put({}, [await source.treeVersion(), inodes, bytes]);
  await run(session, statements.giveUp, [share, epoch]);
}

async function copyTables(source: MetadataStore, put: (rows: CopiedRows) => Promise<unknown>, wrote: (rows: number) => void): Promise<void> {
  const tables = scansOf(source);
  if (tables === null) throw new MetadataStoreError("this metadata store can't be moved: it doesn't give its tables as a whole");
  const each = async <T>(next: (last: T | null) => readonly T[] | Promise<readonly T[]>, rowsOf: (page: readonly T[]) => CopiedRows, full = pageRows): Promise<void> => {
    for (let last: T | null = null; ; ) {
      const page: readonly T[] = await next(last);
      if (page.length > 0) await put(rowsOf(page));
      wrote(page.length);
      if (page.length < full) return;
      last = page[page.length - 1] as T;
    }
  };
  await each<Inode>((last) => tables.scanInodes(last?.id ?? least, pageRows), (inodes) => ({ inodes }));
  await each<Dirent>((last) => tables.scanDirents(last?.parent ?? least, last?.cookie ?? least, pageRows), (dirents) => ({ dirents }));
  await each<FileExtent>((last) => tables.scanExtents(last?.file ?? least, last?.extent.offset ?? least, pageRows), (extents) => ({ extents }));
  await each<Xattr>((last) => tables.scanXattrs(last?.id ?? least, last?.name ?? "", pageXattrs), (xattrs) => ({ xattrs }), pageXattrs);
  await each<Pack>((last) => source.packs(last?.id ?? least, pageRows), (packs) => ({ packs }));
  await each<FileId>((last) => source.orphans(last ?? least, pageRows), (orphans) => ({ orphans }));
}

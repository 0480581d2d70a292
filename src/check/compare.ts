import type { MetadataStore } from "#model/metadata-store.ts";
import { eachDirent, eachExtent, eachInode, eachOrphan, eachPack, eachXattr } from "./scan.ts";
import { quiet, type Watch } from "./target.ts";
import type { Clock } from "#base/clock.ts";

/** What a store holds, so that two can be compared: counts, and a digest over every row in order. */
export interface Contents {
  readonly rows: number;
  readonly digest: string;
}

/** Progress is told so many rows at a time. */
const toldRows = 512;

/** Reads every row of a store to which nothing is applied meanwhile. */
export async function contentsOf(store: MetadataStore, clock: Clock, watch: Watch): Promise<Contents> {
  const hash = new Bun.CryptoHasher("sha256");
  // Of all a check is handed, walks through the tables need the store alone.
  const target = { store, clock } as Parameters<typeof eachInode>[0];
  const scanned = quiet(watch);
  let rows = 0;
  const digest = (...fields: readonly unknown[]) => hash.update(JSON.stringify(fields, bytesAsText));
  const add = (...fields: readonly unknown[]): void => {
    if (++rows % toldRows === 0) watch.advance(toldRows);
    digest(...fields);
  };
  await eachInode(target, scanned, (inode) => add("inode", inode));
  await eachDirent(target, scanned, ({ parent, name, child, cookie, folded }) => add("dirent", parent, name, child, cookie, folded));
  await eachExtent(target, scanned, ({ file, extent }) => add("extent", file, extent.offset, extent.length, extent.pack, extent.packOffset));
  await eachXattr(target, scanned, ({ id, name, value }) => add("xattr", id, name, value));
  await eachPack(target, scanned, ({ id, key, state, size, live, since, frames }) => add("pack", id, key, state, size, live, since, frames));
  await eachOrphan(target, scanned, (id) => add("orphan", id));
  const { inodes, bytes } = await store.usage();
  digest("share", inodes, bytes, await store.treeVersion(), store.identity.instance, store.identity.handleKey);
  watch.advance(rows % toldRows);
  return { rows, digest: hash.digest("hex") };
}

function bytesAsText(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : isBuffer(value) ? Buffer.from(value.data).toString("hex") : value;
}

/** A Buffer has made itself this before anybody sees it. */
function isBuffer(value: unknown): value is { readonly data: readonly number[] } {
  return typeof value === "object" && value !== null && (value as { type?: unknown }).type === "Buffer" && "data" in value;
}

import type { Extent, Pack } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import type { Inode, Xattr } from "#model/inode.ts";
import { type FileExtent, type MetadataStore, type ScannedDirent, type ScansTables, scansOf } from "#model/metadata-store.ts";
import { type CheckTarget, goOn, turn, type Watch } from "./target.ts";

/** Rows read before others get their turn: some hundred microseconds of them. */
const pageRows = 512;
const packRows = 256;
/** Below every key, those that damage made included. */
const least = Number.MIN_SAFE_INTEGER;

/** A metadata store that can't be walked through. */
export class NotScannable extends Error {
  constructor() {
    super("this metadata store can't be checked: it doesn't give its tables as a whole");
  }
}

export function tablesOf(store: MetadataStore): ScansTables {
  const scans = scansOf(store);
  if (scans === null) throw new NotScannable();
  return scans;
}

async function pages<T>(target: CheckTarget, watch: Watch, limit: number, next: () => readonly T[] | Promise<readonly T[]>, each: (page: readonly T[]) => void): Promise<void> {
  for (;;) {
    goOn(watch);
    const read = next();
    const page = read instanceof Promise ? await read : read;
    each(page);
    if (page.length < limit) return;
    await turn(target.clock);
  }
}

export async function eachInode(target: CheckTarget, watch: Watch, each: (inode: Inode) => void): Promise<void> {
  const tables = tablesOf(target.store);
  let after: number = least;
  await pages(target, watch, pageRows, () => tables.scanInodes(after, pageRows), (page) => {
    for (let i = 0; i < page.length; i++) each(page[i] as Inode);
    after = page[page.length - 1]?.id ?? after;
    watch.advance(page.length);
  });
}

export async function eachDirent(target: CheckTarget, watch: Watch, each: (dirent: ScannedDirent) => void): Promise<void> {
  const tables = tablesOf(target.store);
  let parent: number = least;
  let cookie: number = least;
  await pages(target, watch, pageRows, () => tables.scanDirents(parent, cookie, pageRows), (page) => {
    for (let i = 0; i < page.length; i++) each(page[i] as ScannedDirent);
    const last = page[page.length - 1];
    if (last !== undefined) ({ parent, cookie } = last);
    watch.advance(page.length);
  });
}

export async function eachExtent(target: CheckTarget, watch: Watch, each: (of: FileExtent) => void): Promise<void> {
  const tables = tablesOf(target.store);
  let file: number = least;
  let offset: number = least;
  await pages(target, watch, pageRows, () => tables.scanExtents(file, offset, pageRows), (page) => {
    for (let i = 0; i < page.length; i++) each(page[i] as FileExtent);
    const last = page[page.length - 1];
    if (last !== undefined) {
      file = last.file;
      offset = last.extent.offset;
    }
    watch.advance(page.length);
  });
}

/** Each may have 64 KiB. */
const xattrRows = 64;

export async function eachXattr(target: CheckTarget, watch: Watch, each: (xattr: Xattr) => void): Promise<void> {
  const tables = tablesOf(target.store);
  let id: number = least;
  let name = "";
  await pages(target, watch, xattrRows, () => tables.scanXattrs(id, name, xattrRows), (page) => {
    for (let i = 0; i < page.length; i++) each(page[i] as Xattr);
    const last = page[page.length - 1];
    if (last !== undefined) ({ id, name } = last);
  });
}

export async function eachPack(target: CheckTarget, watch: Watch, each: (pack: Pack) => void): Promise<void> {
  let after: number = least;
  await pages(target, watch, packRows, () => target.store.packs(after, packRows), (page) => {
    for (let i = 0; i < page.length; i++) each(page[i] as Pack);
    after = page[page.length - 1]?.id ?? after;
  });
}

export async function eachOrphan(target: CheckTarget, watch: Watch, each: (id: number) => void): Promise<void> {
  let after: number = least;
  await pages(target, watch, pageRows, () => target.store.orphans(after, pageRows), (page) => {
    for (let i = 0; i < page.length; i++) each(page[i] as number);
    after = page[page.length - 1] ?? after;
  });
}

/** Extents of a pack looked at, at most: what a pack of the largest size has, cut into pieces of a few hundred bytes. */
const extentsMax = 1_000_000;

export async function extentsOfPack(target: CheckTarget, id: number): Promise<readonly FileExtent[]> {
  return await target.store.extentsOfPack(id as PackId, extentsMax);
}

export function extentEnd(extent: Extent): number {
  return extent.offset + extent.length;
}

import type { Maybe } from "#base/brand.ts";
import type { Cookie, FileId } from "#model/ids.ts";
import type { Dirent } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { after as whenRead } from "../maybe.ts";
import type { NameCache } from "./name-cache.ts";
import { Entry, type Names, namesOf, type Node, Page, unknownCookie } from "./node.ts";

/** Entries read from the store at once. */
export const pageEntries = 512;

/** Part of the name cache that the listing of one directory may take. */
const listedPart = 7 / 8;
/** Pages of a larger directory that are remembered, for as many who read it at once. */
const scannedMax = 4;

/** Index of the first page that ends above `cookie`. */
function firstPageAbove(pages: readonly Page[], cookie: number): number {
  let low = 0;
  let high = pages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pages[middle] as Page).upTo > cookie) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Index of the first entry with a cookie above `cookie`. */
export function firstEntryAbove(entries: readonly Entry[], cookie: number): number {
  const first = entries[0];
  if (first === undefined || first.cookie > cookie) return 0;
  let low = 1;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle] as Entry).cookie > cookie) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The page is no longer kept exact; a reader that holds it may finish. */
export function dropPage(page: Page): void {
  for (const entry of page.entries) if (entry.page === page) entry.page = null;
  const pages = page.owner.names?.pages;
  const index = pages === undefined ? -1 : pages.indexOf(page);
  if (index >= 0) pages?.splice(index, 1);
}

export function dropPages(names: Names): void {
  for (const page of names.pages) for (const entry of page.entries) entry.page = null;
  names.pages.length = 0;
  names.unplaced = [];
}

/** The entry's name is gone from the directory. */
export function leavePage(entry: Entry): void {
  const page = entry.page;
  if (page === null) return;
  entry.page = null;
  const index = firstEntryAbove(page.entries, entry.cookie - 1);
  if (page.entries[index] === entry) page.entries.splice(index, 1);
  // Knowing that a range is empty is not worth a page: removing all of a large directory would leave nothing but such.
  if (page.entries.length === 0) dropPage(page);
}

function placeEntry(names: Names, entry: Entry): void {
  const page = names.pages[firstPageAbove(names.pages, entry.cookie - 1)];
  if (page === undefined || page.after >= entry.cookie) return;
  const last = page.entries[page.entries.length - 1];
  entry.page = page;
  if (last === undefined || last.cookie < entry.cookie) page.entries.push(entry);
  else page.entries.splice(firstEntryAbove(page.entries, entry.cookie), 0, entry);
  if (page.upTo !== Number.POSITIVE_INFINITY || page.entries.length < pageEntries) return;
  // The last page is full: what comes from here on stands in a new one.
  const end = page.entries[page.entries.length - 1] as Entry;
  page.upTo = end.cookie;
  names.pages.push(new Page(page.owner, end.cookie, Number.POSITIVE_INFINITY));
}

/** A page that is not kept exact. */
function readOnce(page: Page, rows: readonly Dirent[]): Page {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as Dirent;
    if (row.cookie > page.upTo) break;
    page.entries.push(new Entry(page.owner, row.name, row.child, row.cookie));
  }
  return page;
}

/** A page of a directory that is too large to be kept, while nothing changed since it was read. */
function scannedPage(names: Names, cookie: number): Page | null {
  if (names.scanned.length === 0 || names.scannedAt !== names.version) return null;
  for (let i = 0; i < names.scanned.length; i++) {
    const page = names.scanned[i] as Page;
    if (page.after <= cookie && cookie < page.upTo) return page;
  }
  return null;
}

function rememberScanned(names: Names, page: Page): void {
  if (names.scannedAt !== names.version) names.scanned.length = 0;
  names.scannedAt = names.version;
  if (names.scanned.length >= scannedMax) names.scanned.shift();
  names.scanned.push(page);
}

/**
 * Directory listings in memory: pages by cookie, read from the store where nobody listed yet, and kept exact from then on. Of a
 * directory too large for the cache the first part is kept, and of the rest the pages that somebody is reading.
 */
export class Pages {
  private readonly store: MetadataStore;
  private readonly names: NameCache;

  constructor(store: MetadataStore, names: NameCache) {
    this.store = store;
    this.names = names;
  }

  private get pagesMax(): number {
    return Math.max(1, Math.floor((this.names.capacity * listedPart) / pageEntries));
  }

  /** The page that `cookie` lies in: its entries above `cookie` are the next ones, complete up to `upTo`. */
  page(directory: Node, cookie: number): Maybe<Page> {
    const names = namesOf(directory);
    if (names.unplaced.length > 0) this.place(directory, names);
    const page = names.pages[firstPageAbove(names.pages, cookie)];
    if (page !== undefined && page.after <= cookie) return page;
    const scanned = scannedPage(names, cookie);
    if (scanned !== null) return scanned;
    const version = names.version;
    const read = this.store.directory(directory.key as FileId, cookie as Cookie, pageEntries);
    return whenRead(read, (rows) => this.build(directory, names, cookie, rows, names.version === version));
  }

  /** Asks for the cookies of names that came since the pages were read. */
  private place(directory: Node, names: Names): void {
    const waiting = names.unplaced;
    names.unplaced = [];
    for (let i = 0; i < waiting.length && names.pages.length > 0; i++) {
      const name = waiting[i] as string;
      const row = this.store.dirent(directory.key as FileId, name);
      if (row instanceof Promise) {
        row.catch(() => {});
        dropPages(names);
      } else if (row !== null) {
        const entry = this.names.keep(directory, name, row);
        if (entry.page === null) placeEntry(names, entry);
      }
    }
  }

  private build(directory: Node, names: Names, after: number, rows: readonly Dirent[], unchanged: boolean): Page {
    const page = new Page(directory, after, Number.POSITIVE_INFINITY);
    if (rows.length >= pageEntries) page.upTo = (rows[rows.length - 1] as Dirent).cookie;
    if (!unchanged || directory.inode === null || directory.names !== names) return readOnce(page, rows);
    const at = firstPageAbove(names.pages, after);
    const next = names.pages[at];
    // Another reader may have read the same page meanwhile.
    if (next !== undefined && next.after <= after) return readOnce(page, rows);
    if (next !== undefined && next.after < page.upTo) page.upTo = next.after;
    if (names.pages.length >= this.pagesMax) {
      rememberScanned(names, page);
      return readOnce(page, rows);
    }
    names.pages.splice(at, 0, page);
    this.fill(directory, page, rows);
    return page;
  }

  private fill(directory: Node, page: Page, rows: readonly Dirent[]): void {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as Dirent;
      if (row.cookie > page.upTo) return;
      const entry = this.names.keep(directory, row.name, row);
      if (entry.cookie === unknownCookie) entry.cookie = row.cookie;
      entry.page = page;
      page.entries.push(entry);
    }
  }
}

import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { Permission, permissions } from "../access/permissions.ts";
import type { Entry, Node, Page } from "../cache/node.ts";
import { firstEntryAbove } from "../cache/pages.ts";
import { badCookie, denied, notDirectory, stale } from "../errors.ts";
import type { ListedEntry, Listing } from "../file-system.ts";
import { after } from "../maybe.ts";
import type { Share } from "../share.ts";
import { loadEntry } from "./lookup.ts";
import { noteRead } from "./readlink.ts";

const dotCookie = 1;
const dotDotCookie = 2;
/** Most entries of one answer, those passed over among them, however many the caller has room for: what one call may keep the event loop with. */
const entriesMax = 8_192;
/** Most inodes read from the store for one answer, for the same reason. */
const inodesReadMax = 1_024;

/**
 * READDIR and READDIRPLUS (RFC 1813 §3.3.16, §3.3.17). Cookies are for ever, so the verifier stays too as long as the share is
 * the same: it is the share's instance, and a listing goes on through changes and restarts.
 */
export function readdir(
  share: Share,
  who: Credentials,
  directory: FileId,
  cookie: number,
  verifier: Uint8Array,
  withInodes: boolean,
  accept: (name: string) => boolean | null,
): Maybe<Listing | FsError> {
  if (!(cookie >= 0 && cookie <= Number.MAX_SAFE_INTEGER)) return badCookie;
  if (cookie !== 0 && !isVerifier(share, verifier)) return badCookie;
  return after(share.inodes.loadNode(directory), (node) => {
    if (node === null || node.inode === null) return stale;
    if (node.inode.type !== FileType.directory) return notDirectory;
    const granted = permissions(node.inode, who);
    if ((granted & Permission.read) === 0) return denied;
    const lister = new Lister(share, node, cookie, inodesFor(withInodes, granted), accept);
    return after(lister.dots(node.inode), () => after(lister.run(), () => after(lister.settle(), () => lister.listing())));
  });
}

/** Whether a listing gives its entries' inodes; `withheld`: they are asked for, but LOOKUP would not give them either. */
type Inodes = "none" | "all" | "withheld";

function inodesFor(wanted: boolean, granted: number): Inodes {
  if (!wanted) return "none";
  return (granted & Permission.execute) === 0 ? "withheld" : "all";
}

function isVerifier(share: Share, verifier: Uint8Array): boolean {
  const instance = share.store.identity.instance;
  if (verifier.length !== instance.length) return false;
  for (let i = 0; i < instance.length; i++) if (verifier[i] !== instance[i]) return false;
  return true;
}

/** One listing under way. Synchronous where the pages and inodes are in memory. */
class Lister {
  private readonly share: Share;
  private readonly node: Node;
  private readonly inodes: Inodes;
  private readonly accept: (name: string) => boolean | null;
  private readonly entries: ListedEntry[] = [];
  private readonly waiting: Promise<unknown>[] = [];
  private directory: Inode;
  private cookie: number;
  private inodesRead = 0;
  private passed = 0;
  private full = false;
  private end = false;

  constructor(share: Share, node: Node, cookie: number, inodes: Inodes, accept: (name: string) => boolean | null) {
    this.share = share;
    this.node = node;
    this.directory = node.inode as Inode;
    this.cookie = cookie;
    this.inodes = inodes;
    this.accept = accept;
  }

  dots(inode: Inode): Maybe<void> {
    if (this.cookie < dotCookie) this.dot(".", dotCookie, inode.id, inode);
    if (this.cookie >= dotDotCookie || this.full) return;
    const parent = inode.parent as FileId;
    return after(this.inodes === "all" ? this.share.inodes.load(parent) : null, (above) => this.dot("..", dotDotCookie, parent, above));
  }

  run(): Maybe<void> {
    while (!this.full && !this.end) {
      const page = this.share.pages.page(this.node, Math.max(this.cookie, dotDotCookie));
      if (page instanceof Promise) return page.then((arrived) => this.take(arrived)).then(() => this.run());
      this.take(page);
    }
  }

  /** Waits for the inodes that have to be waited for. */
  settle(): Maybe<unknown> {
    return this.waiting.length === 0 ? null : Promise.all(this.waiting);
  }

  listing(): Listing | FsError {
    const now = this.node.inode ?? this.share.inodes.hit(this.node.key);
    this.directory = noteRead(this.share, now ?? this.directory);
    return { directory: this.directory, verifier: this.share.store.identity.instance, entries: this.entries, end: this.end, cookie: this.cookie };
  }

  private dot(name: string, cookie: 1 | 2, id: FileId, inode: Inode | null): void {
    const accepted = this.accept(name);
    if (accepted === false) {
      this.full = true;
      return;
    }
    if (accepted !== null) this.entries.push({ name, cookie, id, inode });
    this.cookie = cookie;
  }

  private take(page: Page): void {
    const { entries, accept, inodes } = this;
    const from = page.entries;
    for (let i = firstEntryAbove(from, this.cookie); i < from.length; i++) {
      const entry = from[i] as Entry;
      const accepted = entries.length + this.passed >= entriesMax ? false : accept(entry.name);
      if (accepted === false) {
        this.full = true;
        return;
      }
      this.cookie = entry.cookie;
      if (accepted === null) {
        this.passed++;
        continue;
      }
      // An entry's inode is what the cache has of it.
      entries.push(inodes === "withheld" ? { name: entry.name, cookie: entry.cookie, id: entry.id, inode: null } : entry);
      if (inodes !== "all" || entry.inode !== null) continue;
      this.load(entry);
      if (this.inodesRead < inodesReadMax) continue;
      this.full = true;
      return;
    }
    if (page.upTo === Number.POSITIVE_INFINITY) this.end = true;
    else this.cookie = page.upTo;
  }

  private load(entry: Entry): void {
    if (this.share.inodes.peek(entry.id) === undefined) this.inodesRead++;
    const loading = loadEntry(this.share, entry);
    if (!(loading instanceof Promise)) return;
    // Where the next page can't be read nobody waits for it any more, and a rejection nobody waits for ends the process.
    loading.catch(() => {});
    this.waiting.push(loading);
  }
}

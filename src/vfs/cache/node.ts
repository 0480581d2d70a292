import type { Keyed, Ringed } from "#base/lru.ts";
import type { Cookie, FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { ListedEntry, Located } from "../file-system.ts";
import type { Operation } from "../operation.ts";

/** An inode in memory, with what hangs on it. It leaves the cache as a whole: `inode` is null from then on, for whoever still refers to it. */
export class Node implements Keyed {
  slot = -1;
  used = false;
  readonly key: number;
  /** The object as it is now; null once the node left the cache. */
  inode: Inode | null;
  handle: Uint8Array | null = null;
  /** Set once a handle of this object was verified, with the words of that handle that instance and id leave open. */
  located: Located | null = null;
  generationWord = 0;
  mac0 = 0;
  mac1 = 0;
  mac2 = 0;
  mac3 = 0;
  /** What is known of a directory's entries. */
  names: Names | null = null;
  /** A directory's name; of anything else the name it was last reached by, in the directory `under`. Null: not known. */
  name: string | null = null;
  under = 0;
  /** The set that made the object, while it is not durable yet. */
  making: Operation | null = null;

  constructor(inode: Inode) {
    this.key = inode.id;
    this.inode = inode;
  }
}

/** Id of an entry that says "no such name". */
export const nobody = 0 as FileId;
/** Cookie of an entry whose cookie was not read yet. */
export const unknownCookie = 0 as Cookie;

/** A name in a directory, or the knowledge that there is none (`id` is `nobody`). Never changes what it refers to. */
export class Entry implements ListedEntry, Ringed {
  slot = -1;
  used = false;
  readonly owner: Node;
  readonly name: string;
  readonly id: FileId;
  cookie: Cookie;
  node: Node | null = null;
  /** The page of the listing it stands in. */
  page: Page | null = null;

  constructor(owner: Node, name: string, id: FileId, cookie: Cookie) {
    this.owner = owner;
    this.name = name;
    this.id = id;
    this.cookie = cookie;
  }

  get inode(): Inode | null {
    const node = this.node;
    return node === null ? null : node.inode;
  }
}

/** The names in a directory that have one key (`foldKey`), all of them, in cookie order. */
export class Folding implements Ringed {
  slot = -1;
  used = false;
  readonly owner: Node;
  readonly key: string;
  names: readonly string[];

  constructor(owner: Node, key: string, names: readonly string[]) {
    this.owner = owner;
    this.key = key;
    this.names = names;
  }
}

/** All entries of a directory with a cookie above `after` and up to `upTo` (Infinity: to the end), in cookie order. */
export class Page {
  readonly owner: Node;
  readonly after: number;
  upTo: number;
  readonly entries: Entry[] = [];

  constructor(owner: Node, after: number, upTo: number) {
    this.owner = owner;
    this.after = after;
    this.upTo = upTo;
  }
}

/** A look-up that waits for the store; `superseded` when the name changed meanwhile. */
export interface NameRead {
  superseded: boolean;
}

/** What is known of one directory's entries. Every entry of a page is in `byName` too. */
export class Names {
  readonly byName = new Map<string, Entry>();
  /** Names by key, where somebody asked for one whatever its case; null: nobody did. */
  byKey: Map<string, Folding> | null = null;
  /** In cookie order, never overlapping. */
  readonly pages: Page[] = [];
  /** Names that came since the pages were read and whose cookies, known to the store alone, were not asked for yet. */
  unplaced: string[] = [];
  /** Rises with every entry that comes or goes. */
  version = 0;
  /** Pages of a directory too large to be kept, good for whoever reads on while the version is still `scannedAt`. */
  readonly scanned: Page[] = [];
  scannedAt = 0;
  readonly reading = new Map<string, NameRead>();
}

export function namesOf(directory: Node): Names {
  return (directory.names ??= new Names());
}

import { expect, test } from "bun:test";
import { type FileId, rootId } from "#model/ids.ts";
import { Action, Concern, type Watch } from "#vfs/notify/index.ts";
import type { Share } from "#vfs/share.ts";
import { SeededRandom } from "../../../support/seeded-random.ts";
import { bob, file, folder, ok, openWorld, root } from "../kit.ts";

/** A directory of the model: what is in it, by name. */
interface Folder {
  readonly id: FileId;
  readonly path: string;
  /** Whether nobody but its owner lists it, and whether others find what is in it, as all above lets them. */
  readonly closed: boolean;
  readonly found: boolean;
  readonly entries: Map<string, Folder | FileId>;
}

const opsCount = 400;
const namesCount = 6;
const actionNames = new Map<number, string>(Object.entries(Action).map(([name, action]) => [action, name]));

/** What a watch tells, and whether it does to others than the owner, too. */
interface Line {
  readonly line: string;
  readonly found: boolean;
}

/** Does something at random, and says what a watch of the root has to tell of it. */
class Walk {
  readonly share: Share;
  readonly random: SeededRandom;
  readonly top: Folder = { id: rootId, path: "", closed: false, found: true, entries: new Map() };

  constructor(share: Share, random: SeededRandom) {
    this.share = share;
    this.random = random;
  }

  async step(): Promise<readonly Line[]> {
    const at = this.folder();
    const name = `n${this.random.below(namesCount)}`;
    const entry = at.entries.get(name);
    if (entry === undefined) return this.make(at, name);
    return this.random.below(3) === 0 ? this.remove(at, name, entry) : this.move(at, name, entry);
  }

  /** Any folder, deep ones too. */
  private folder(): Folder {
    let at = this.top;
    for (;;) {
      const below = [...at.entries.values()].filter((entry): entry is Folder => typeof entry === "object");
      if (below.length === 0 || this.random.below(4) === 0) return at;
      at = below[this.random.below(below.length)]!;
    }
  }

  private async make(at: Folder, name: string): Promise<readonly Line[]> {
    const path = join(at, name);
    if (this.random.below(2) === 0) at.entries.set(name, (await file(this.share, name, 0o644, root, at.id)).id);
    else {
      const closed = this.random.below(4) === 0;
      const { id } = await folder(this.share, name, closed ? 0o700 : 0o755, root, at.id);
      at.entries.set(name, { id, path, closed, found: at.found && !closed, entries: new Map() });
    }
    return [{ line: `added ${path}`, found: at.found }];
  }

  private async remove(at: Folder, name: string, entry: Folder | FileId): Promise<readonly Line[]> {
    if (typeof entry === "object" && entry.entries.size > 0) return [];
    ok(typeof entry === "object" ? await this.share.rmdir(root, at.id, name) : await this.share.remove(root, at.id, name));
    at.entries.delete(name);
    return [{ line: `removed ${join(at, name)}`, found: at.found }];
  }

  private async move(at: Folder, name: string, entry: Folder | FileId): Promise<readonly Line[]> {
    const to = this.folder();
    const toName = `n${this.random.below(namesCount)}`;
    if (to.entries.has(toName) || (typeof entry === "object" && `${to.path}/`.startsWith(`${entry.path}/`))) return [];
    ok(await this.share.rename(root, at.id, name, to.id, toName));
    at.entries.delete(name);
    const [from, path] = [join(at, name), join(to, toName)];
    to.entries.set(toName, typeof entry === "object" ? moved(entry, path, to.found) : entry);
    const [left, came] = at === to ? ["oldName", "newName"] : ["removed", "added"];
    return [
      { line: `${left} ${from}`, found: at.found },
      { line: `${came} ${path}`, found: to.found },
    ];
  }
}

const join = ({ path }: Folder, name: string): string => (path === "" ? name : `${path}/${name}`);

function moved(one: Folder, path: string, under: boolean): Folder {
  const { id, closed } = one;
  const found = under && !closed;
  const entries = new Map<string, Folder | FileId>();
  for (const [name, entry] of one.entries) entries.set(name, typeof entry === "object" ? moved(entry, `${path}/${name}`, found) : entry);
  return { id, path, closed, found, entries };
}

async function taken(share: Share, watch: Watch): Promise<readonly string[]> {
  // Paths that memory does not know are found out meanwhile.
  while ((share.notify as unknown as { finding: boolean }).finding) await new Promise(setImmediate);
  return watch.take()!.map(({ action, path }) => `${actionNames.get(action)} ${path}`);
}

for (const [what, inodesMax, asynchronous] of [
  ["with everything in memory", 10_000, false],
  ["with hardly anything in memory", 4, false],
  ["with hardly anything in memory and a store that is waited for", 4, true],
] as const) {
  test(`a watched tree tells of every change that may be seen under the path it had then, ${what}`, async () => {
    for (const seed of [1, 2, 3]) {
      const { share, store } = await openWorld({ inodesMax, namesMax: inodesMax });
      store.asynchronous = asynchronous;
      const walk = new Walk(share, new SeededRandom(seed));
      const [all, others] = [root, bob].map((who) => share.notify.watch({ directory: rootId, recursive: true, who: () => who, concerns: Concern.fileName | Concern.directoryName, bytesMax: 2 ** 20, told: () => {} }));
      for (let i = 0; i < opsCount; i++) {
        const lines = await walk.step();
        expect(await taken(share, all!)).toEqual(lines.map(({ line }) => line));
        expect(await taken(share, others!)).toEqual(lines.filter(({ found }) => found).map(({ line }) => line));
      }
    }
  });
}

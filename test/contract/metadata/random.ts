import { describe, test } from "bun:test";
import { Time } from "#base/time.ts";
import type { ApplyResult, Change, ChangeSet, Condition, Extent } from "#model/change-set.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { InodeFlag, streamsOf, xattrBytesMax } from "#model/inode-flags.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { type Factory, createChanges, extent, newDirectory, newFile, pack, set } from "./kit.ts";
import { Model } from "./model.ts";

const setsPerSeed = 1500;
/** Files are this many bytes at most, so that extents meet often. */
const fileBytesMax = 120;

/** A small seeded generator (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Makes up change sets that fit the model's state, most of them; one seed, one history. */
export class World {
  readonly model = new Model();
  readonly ids: number[] = [rootId];
  private store: MetadataStore;
  private readonly random: (below: number) => number;
  private sequence = 0;

  constructor(store: MetadataStore, seed: number) {
    this.store = store;
    this.random = seeded(seed);
  }

  reopened(store: MetadataStore): void {
    this.store = store;
  }

  chance(percent: number): boolean {
    return this.random(100) < percent;
  }

  upTo(max: number): number {
    return 1 + this.random(max);
  }

  private pick<T>(from: readonly T[]): T | undefined {
    return from[this.random(from.length)];
  }

  private time(): Time {
    return new Time(1000 + this.random(50), this.random(3));
  }

  private name(): string {
    const name = `n${this.random(12)}`;
    return this.chance(25) ? name.toUpperCase() : name;
  }

  private some(wanted: (type: number, links: number) => boolean): FileId | undefined {
    return this.pick([...this.model.inodes].filter(([, i]) => wanted(i.type, i.links)).map(([id]) => id)) as FileId | undefined;
  }

  private directory(): FileId {
    return this.some((type, links) => type === FileType.directory && links > 0) ?? rootId;
  }

  private file(): FileId | undefined {
    return this.some((type, links) => type === FileType.regular && links > 0);
  }

  private newId(): number {
    const id = this.store.draw();
    this.ids.push(id);
    return id;
  }

  private extents(): Extent[] {
    const made: Extent[] = [];
    const packs = [...this.model.packs];
    for (let i = this.random(4); i > 0 && packs.length > 0; i--) {
      const offset = this.random(fileBytesMax);
      const length = this.upTo(fileBytesMax - offset);
      made.push(this.chance(25) ? extent(offset, length, 0, 0) : extent(offset, length, this.pick(packs) as number, this.random(1000)));
    }
    return made;
  }

  private randomCondition(): Condition {
    const id = (this.pick(this.ids) ?? rootId) as FileId;
    const inode = this.model.inodes.get(id);
    const kinds: Condition[] = [
      { is: "live", id },
      { is: "directoryEmpty", id },
      { is: "direntAbsent", parent: id, name: this.name() },
      { is: "foldAbsent", parent: id, name: this.name(), except: this.chance(50) ? this.name() : null },
      { is: "streamless", id },
      { is: "links", id, links: (inode?.links ?? 0) + (this.chance(20) ? 1 : 0) },
      { is: "direntRefersTo", parent: id, name: this.name(), child: (this.pick(this.ids) ?? rootId) as FileId },
      { is: "attributeVersion", id, version: inode?.attributeVersion ?? 0 },
      { is: "changeTime", id, ctime: this.chance(80) && inode !== undefined ? inode.ctime : this.time() },
      { is: "treeVersion", version: this.model.treeVersion - (this.chance(20) ? 1 : 0) },
    ];
    return this.pick(kinds) as Condition;
  }

  root(): ChangeSet {
    return set([], [{ do: "insertInode", inode: newDirectory(rootId, rootId) }]);
  }

  next(): ChangeSet {
    const made = this.operation();
    return this.chance(25) ? set([...made.conditions, this.randomCondition()], made.changes) : made;
  }

  private operation(): ChangeSet {
    const kind = this.random(100);
    if (kind < 15) return this.create(false);
    if (kind < 20) return this.create(true);
    if (kind < 30) return this.remove();
    if (kind < 40) return this.rename();
    if (kind < 45) return this.link();
    if (kind < 52) return this.attributes();
    if (kind < 57) return this.xattr();
    if (kind < 62) return this.stream();
    if (kind < 80) return this.content();
    if (kind < 85) return this.free();
    if (kind < 94) return this.move();
    return this.packs();
  }

  private create(directory: boolean): ChangeSet {
    const parent = this.directory();
    const name = this.name();
    const inode = directory ? newDirectory(this.newId(), parent) : newFile(this.newId());
    const live: Condition = { is: "live", id: parent };
    if (this.chance(50)) return set([live, { is: "direntAbsent", parent, name }], createChanges(parent, name, inode, this.time()));
    return set([live, { is: "foldAbsent", parent, name, except: null }], createChanges(parent, name, inode, this.time()));
  }

  private value(): Uint8Array {
    return Uint8Array.from({ length: this.random(this.chance(10) ? 70_000 : 20) }, () => this.random(256)).subarray(0, xattrBytesMax);
  }

  private xattr(): ChangeSet {
    const id = this.chance(50) ? this.file() : this.directory();
    if (id === undefined) return set([], []);
    const name = this.pick(["security", "ea", "reparse", "user.a", "user.ü"]) as string;
    return set([{ is: "live", id }], [{ do: "setXattr", id, name, value: this.chance(70) ? this.value() : null, at: this.time() }]);
  }

  /** A stream comes or goes. */
  private stream(): ChangeSet {
    const owner = this.chance(60) ? this.file() : this.directory();
    if (owner === undefined) return set([], []);
    const parent = streamsOf(owner);
    const marked: Change = { do: "setAttributes", id: owner, at: this.time(), flags: { clear: 0, set: InodeFlag.hasStreams } };
    const [name, child] = this.pick([...this.model.entries(parent)]) ?? [];
    if (name !== undefined && this.chance(40)) {
      const gone: Change[] = [{ do: "deleteDirent", parent, name }, { do: "addLinks", id: child as FileId, delta: -1, at: this.time() }, marked];
      return set([{ is: "direntRefersTo", parent, name, child: child as FileId }], gone);
    }
    const fresh = this.name();
    const inode = newFile(this.newId(), { parent: owner });
    return set([{ is: "live", id: owner }, { is: "foldAbsent", parent, name: fresh, except: null }], [{ do: "insertInode", inode }, { do: "insertDirent", parent, name: fresh, child: inode.id }, marked]);
  }

  /** What removing an entry takes; empty where there is none of that name. */
  private unlinking(parent: FileId, name: string): { conditions: Condition[]; changes: Change[]; wasDirectory: boolean } {
    const child = this.model.entries(parent).get(name) as FileId | undefined;
    if (child === undefined) return { conditions: [{ is: "direntAbsent", parent, name }], changes: [], wasDirectory: false };
    const wasDirectory = this.model.inodes.get(child)?.type === FileType.directory;
    const conditions: Condition[] = [{ is: "direntRefersTo", parent, name, child }];
    if (wasDirectory) conditions.push({ is: "directoryEmpty", id: child });
    const delta = wasDirectory ? Number.NEGATIVE_INFINITY : -1;
    return {
      conditions,
      changes: [
        { do: "deleteDirent", parent, name },
        { do: "addLinks", id: child, delta, at: this.time() },
      ],
      wasDirectory,
    };
  }

  private remove(): ChangeSet {
    const parent = this.directory();
    const { conditions, changes, wasDirectory } = this.unlinking(parent, this.name());
    return set(conditions, [...changes, { do: "touchDirectory", id: parent, at: this.time(), linksDelta: wasDirectory ? -1 : 0 }]);
  }

  private rename(): ChangeSet {
    const from = this.directory();
    const to = this.directory();
    const name = this.pick([...this.model.entries(from).keys()]) ?? this.name();
    const target = this.name();
    const child = this.model.entries(from).get(name) as FileId | undefined;
    if (child === undefined || child === to || (from === to && name === target)) return set([], []);
    const isDirectory = this.model.inodes.get(child)?.type === FileType.directory;
    const over = this.unlinking(to, target);
    const changes: Change[] = [
      ...over.changes,
      { do: "deleteDirent", parent: from, name },
      { do: "insertDirent", parent: to, name: target, child },
      { do: "addLinks", id: child, delta: 0, at: this.time() },
      { do: "touchDirectory", id: from, at: this.time(), linksDelta: isDirectory ? -1 : 0 },
      { do: "touchDirectory", id: to, at: this.time(), linksDelta: (isDirectory ? 1 : 0) - (over.wasDirectory ? 1 : 0) },
    ];
    if (isDirectory && from !== to) changes.push({ do: "setParent", id: child, parent: to }, { do: "raiseTreeVersion" });
    return set([{ is: "direntRefersTo", parent: from, name, child }, { is: "live", id: to }, ...over.conditions], changes);
  }

  private link(): ChangeSet {
    const parent = this.directory();
    const name = this.name();
    const child = this.file();
    if (child === undefined) return set([], []);
    return set(
      [{ is: "direntAbsent", parent, name }, { is: "live", id: child }],
      [
        { do: "insertDirent", parent, name, child },
        { do: "addLinks", id: child, delta: 1, at: this.time() },
        { do: "touchDirectory", id: parent, at: this.time(), linksDelta: 0 },
      ],
    );
  }

  private attributes(): ChangeSet {
    const id = this.chance(50) ? this.file() : this.directory();
    if (id === undefined) return set([], []);
    const explicit = this.chance(50) ? { mtime: this.time(), mtimeSequence: this.sequence } : {};
    const flags = this.chance(30) ? { flags: { clear: InodeFlag.dosMask, set: InodeFlag.dosSet | this.random(0x10000) } } : {};
    const birth = this.chance(20) ? { birth: this.time() } : {};
    return set([{ is: "live", id }], [{ do: "setAttributes", id, at: this.time(), mode: this.random(0o777), ...explicit, ...flags, ...birth }]);
  }

  private content(): ChangeSet {
    const id = this.chance(90) ? this.file() : this.some((type) => type === FileType.regular);
    if (id === undefined) return set([], []);
    const sequence = this.chance(90) ? ++this.sequence : this.sequence - this.random(5);
    const cutTo = this.chance(30) ? this.random(fileBytesMax) : -1;
    const size = this.random(fileBytesMax);
    if (this.chance(20)) return set([], [{ do: "layExtents", id, sequence, cutTo, extents: this.extents() }]);
    return set([], [{ do: "storeContent", id, sequence, size, mtime: this.time(), ctime: this.time(), cutTo, extents: this.extents() }]);
  }

  private free(): ChangeSet {
    const id = this.some((_, links) => links === 0) ?? this.file();
    return id === undefined ? set([], []) : set([], [{ do: "freeOrphan", id, extentsMax: 10_000 }]);
  }

  private move(): ChangeSet {
    const file = this.some((type) => type === FileType.regular);
    const packs = [...this.model.packs];
    const bytes = [...(this.model.inodes.get(file ?? 0)?.bytes ?? [])];
    const [offset, where] = this.pick(bytes) ?? [];
    if (file === undefined || offset === undefined || where === undefined) return set([], []);
    const [packId, packOffset] = where.split(":").map(Number) as [number, number];
    const back = Math.min(offset, packOffset, this.random(20));
    const from = extent(offset - back, this.upTo(40), packId, packOffset - back);
    return set([], [{ do: "moveExtent", file, from, to: extent(from.offset, from.length, this.pick(packs) as number, this.random(1000)) }]);
  }

  private packs(): ChangeSet {
    const dead = [...this.model.packs].find((id) => this.model.live(id) === 0);
    if (dead !== undefined && this.chance(40)) return set([], [{ do: "deletePack", id: dead as PackId }]);
    return set([], [{ do: "putPack", pack: pack(this.store.draw()) }]);
  }
}

/** Histories made up at random, against the model. */
export function randomContract(name: string, factory: Factory): void {
  describe(`${name}: random sets against a model`, () => {
    for (const seed of [1, 2, 3, 4]) {
      test(`seed ${seed}`, async () => {
        const subject = await factory();
        const world = new World(subject.store, seed);
        const run = async (sets: readonly ChangeSet[], failed: readonly (Condition | null)[], results: Promise<ApplyResult>[]): Promise<void> => {
          const all = await Promise.all(results);
          for (let i = 0; i < sets.length; i++) world.model.expectResult(all[i] as ApplyResult, failed[i] as Condition | null);
        };
        const root = world.root();
        await run([root], [world.model.apply(root)], [subject.store.apply(root)]);
        for (let made = 0, group = 0; made < setsPerSeed; group++) {
          const sets: ChangeSet[] = [];
          const failed: (Condition | null)[] = [];
          const results: Promise<ApplyResult>[] = [];
          for (let i = world.upTo(30); i > 0; i--) {
            const next = world.next();
            sets.push(next);
            failed.push(world.model.apply(next));
            results.push(subject.store.apply(next));
          }
          made += sets.length;
          await run(sets, failed, results);
          if (group % 10 === 0) await world.model.compare(subject.store, world.ids);
          if (group % 25 === 0 && world.chance(50)) await subject.reopen?.().then(() => world.reopened(subject.store));
        }
        await world.model.compare(subject.store, world.ids);
        await subject.dispose();
      });
    }
  });
}

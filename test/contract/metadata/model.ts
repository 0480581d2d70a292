import { expect } from "bun:test";
import { type Time, timeAfter } from "#base/time.ts";
import type { ApplyResult, Change, ChangeSet, Condition, Extent } from "#model/change-set.ts";
import { fold } from "#model/fold.ts";
import { foldKey } from "#model/fold-key.ts";
import type { FileId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { InodeFlag, streamsOf, XattrName, xattrFlag } from "#model/inode-flags.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** Attributes whose flag comes and goes with them. */
const flagNames = new Map(Object.values(XattrName).map((name) => [name as string, xattrFlag(name)]));

interface ModelInode {
  type: FileType;
  links: number;
  mode: number;
  parent: number;
  attributeVersion: number;
  contentSequence: number;
  mtimeSequence: number;
  size: number;
  mtime: Time;
  ctime: Time;
  birth: Time;
  flags: number;
  xattrs: Map<string, Uint8Array>;
  /** Each stored byte: where it lies. */
  bytes: Map<number, string>;
}

/** The plainest store there is, written from the port's text: each byte of content by itself, nothing kept by deltas. */
export class Model {
  readonly inodes = new Map<number, ModelInode>();
  readonly dirents = new Map<number, Map<string, number>>();
  readonly packs = new Set<number>();
  treeVersion = 0;

  entries(parent: number): Map<string, number> {
    let entries = this.dirents.get(parent);
    if (entries === undefined) this.dirents.set(parent, (entries = new Map()));
    return entries;
  }

  apply(set: ChangeSet): Condition | null {
    const failed = set.conditions.find((c) => !this.holds(c));
    if (failed !== undefined) return failed;
    for (const c of set.changes) this.change(c);
    return null;
  }

  private holds(c: Condition): boolean {
    switch (c.is) {
      case "direntAbsent":
        return !this.entries(c.parent).has(c.name);
      case "direntRefersTo":
        return this.entries(c.parent).get(c.name) === c.child;
      case "foldAbsent":
        return [...this.entries(c.parent).keys()].every((name) => name === c.except || fold(name) !== fold(c.name));
      case "streamless":
        return ((this.inodes.get(c.id)?.flags ?? InodeFlag.hasStreams) & InodeFlag.hasStreams) === 0;
      case "links":
        return this.inodes.get(c.id)?.links === c.links;
      case "live":
        return (this.inodes.get(c.id)?.links ?? 0) > 0;
      case "directoryEmpty":
        return this.entries(c.id).size === 0;
      case "attributeVersion":
        return this.inodes.get(c.id)?.attributeVersion === c.version;
      case "changeTime": {
        const ctime = this.inodes.get(c.id)?.ctime;
        return ctime !== undefined && ctime.sec === c.ctime.sec && ctime.nsec === c.ctime.nsec;
      }
      case "treeVersion":
        return this.treeVersion === c.version;
    }
  }

  private get(id: number): ModelInode {
    const inode = this.inodes.get(id);
    if (inode === undefined) throw new Error(`the model has no inode ${id}`);
    return inode;
  }

  private lay(inode: ModelInode, extents: readonly Extent[]): void {
    for (const e of extents) for (let i = 0; i < e.length; i++) e.pack === 0 ? inode.bytes.delete(e.offset + i) : inode.bytes.set(e.offset + i, `${e.pack}:${e.packOffset + i}`);
  }

  private change(c: Change): void {
    switch (c.do) {
      case "insertInode": {
        const { type, links, mode, parent, attributeVersion, contentSequence, mtimeSequence, size, mtime, ctime, birth, flags } = c.inode;
        const bytes = new Map<number, string>();
        const xattrs = new Map<string, Uint8Array>();
        this.inodes.set(c.inode.id, { type, links, mode, parent, attributeVersion, contentSequence, mtimeSequence, size, mtime, ctime, birth, flags, xattrs, bytes });
        return;
      }
      case "insertDirent":
        this.entries(c.parent).set(c.name, c.child);
        return;
      case "deleteDirent":
        this.entries(c.parent).delete(c.name);
        return;
      case "touchDirectory": {
        const d = this.get(c.id);
        d.ctime = timeAfter(d.ctime, c.at);
        d.mtime = d.ctime;
        d.links += c.linksDelta;
        return;
      }
      case "addLinks": {
        const i = this.get(c.id);
        i.links = Math.max(0, i.links + c.delta);
        i.ctime = timeAfter(i.ctime, c.at);
        return;
      }
      case "setParent":
        this.get(c.id).parent = c.parent;
        return;
      case "setAttributes": {
        const i = this.get(c.id);
        i.ctime = timeAfter(i.ctime, c.at);
        i.mode = c.mode ?? i.mode;
        i.mtime = c.mtime ?? i.mtime;
        i.mtimeSequence = c.mtimeSequence ?? i.mtimeSequence;
        i.birth = c.birth ?? i.birth;
        i.flags = (i.flags & ~(c.flags?.clear ?? 0)) | (c.flags?.set ?? 0);
        i.attributeVersion++;
        return;
      }
      case "setXattr": {
        const i = this.get(c.id);
        i.ctime = timeAfter(i.ctime, c.at);
        if (c.value === null) i.xattrs.delete(c.name);
        else i.xattrs.set(c.name, c.value);
        for (const [name, flag] of flagNames) i.flags = i.xattrs.has(name) ? i.flags | flag : i.flags & ~flag;
        if (!flagNames.has(c.name) && c.value !== null) i.flags |= InodeFlag.hasXattrs;
        i.attributeVersion++;
        return;
      }
      case "layExtents":
      case "storeContent": {
        const i = this.inodes.get(c.id);
        if (i === undefined || i.links === 0 || i.contentSequence >= c.sequence) return;
        if (c.cutTo >= 0) for (const offset of [...i.bytes.keys()]) if (offset >= c.cutTo) i.bytes.delete(offset);
        this.lay(i, c.extents);
        if (c.do === "layExtents") return;
        i.size = c.size;
        i.contentSequence = c.sequence;
        if (i.mtimeSequence < c.sequence) i.mtime = c.mtime;
        if (c.ctime.isAfter(i.ctime)) i.ctime = c.ctime;
        return;
      }
      case "freeOrphan":
        if (this.inodes.get(c.id)?.links === 0) this.inodes.delete(c.id);
        return;
      case "putPack":
        this.packs.add(c.pack.id);
        return;
      case "deletePack":
        this.packs.delete(c.id);
        return;
      case "moveExtent": {
        const bytes = this.inodes.get(c.file)?.bytes;
        for (let i = 0; i < c.from.length; i++) {
          const offset = c.from.offset + i;
          if (bytes?.get(offset) === `${c.from.pack}:${c.from.packOffset + i}`) bytes.set(offset, `${c.to.pack}:${c.to.packOffset + i}`);
        }
        return;
      }
      case "raiseTreeVersion":
        this.treeVersion++;
        return;
      case "setAccessTime":
        return;
    }
  }

  live(pack: number): number {
    let live = 0;
    for (const { bytes } of this.inodes.values()) for (const where of bytes.values()) if (where.startsWith(`${pack}:`)) live++;
    return live;
  }

  /** Compares all of a store with this. */
  async compare(store: MetadataStore, everUsed: readonly number[]): Promise<void> {
    let inodes = 0;
    let stored = 0;
    const orphans: number[] = [];
    for (const id of everUsed as FileId[]) {
      const mine = this.inodes.get(id);
      const row = await store.inode(id);
      const bytes = new Map<number, string>();
      let end = 0;
      for (const e of await store.extents(id, 0, Number.MAX_SAFE_INTEGER, 100_000)) {
        expect(e.offset).toBeGreaterThanOrEqual(end);
        end = e.offset + e.length;
        for (let i = 0; i < e.length; i++) bytes.set(e.offset + i, `${e.pack}:${e.packOffset + i}`);
      }
      const listed = (await store.directory(id, 0, 100_000)).map((d) => [d.name, d.child] as const);
      expect(new Map<string, number>(listed)).toEqual(this.entries(id));
      const streams = (await store.directory(streamsOf(id), 0, 100_000)).map((d) => [d.name, d.child] as const);
      expect(new Map<string, number>(streams)).toEqual(this.entries(streamsOf(id)));
      const attributes = (await store.xattrs(id)).map(({ name, value }) => [name, new Uint8Array(value)] as const);
      if (mine === undefined) {
        expect([row, bytes.size, attributes]).toEqual([null, 0, []]);
        continue;
      }
      const { bytes: expected, xattrs, ...columns } = mine;
      expect(new Map<string, Uint8Array>(attributes)).toEqual(xattrs);
      await this.compareFolds(store, id);
      expect({ id, ...row }).toMatchObject({ id, ...columns, used: expected.size });
      expect(new Map([...bytes].sort((a, b) => a[0] - b[0]))).toEqual(new Map([...expected].sort((a, b) => a[0] - b[0])));
      if (mine.links > 0) {
        inodes++;
        if (mine.type === FileType.regular) stored += expected.size;
      } else orphans.push(id);
    }
    expect(await store.usage()).toMatchObject({ inodes, bytes: stored });
    expect(await store.orphans(0, 100_000)).toEqual(orphans.sort((a, b) => a - b) as FileId[]);
    expect(await store.treeVersion()).toBe(this.treeVersion);
    const packs = await store.packs(0, 100_000);
    expect(packs.map((p) => p.id as number)).toEqual([...this.packs].sort((a, b) => a - b));
    for (const p of packs) expect([p.id, p.live]).toEqual([p.id, this.live(p.id)]);
  }

  private async compareFolds(store: MetadataStore, id: FileId): Promise<void> {
    const names = [...this.entries(id).keys()];
    for (const key of new Set(names.map(foldKey))) {
      const same = names.filter((name) => fold(name) === fold(key)).sort();
      expect((await store.direntsFolding(id, key)).map(({ name }) => name).sort()).toEqual(same);
    }
  }

  expectResult(result: ApplyResult, failed: Condition | null): void {
    if (failed === null) expect(result).toMatchObject({ applied: true });
    else expect(result).toEqual({ applied: false, failed });
  }
}

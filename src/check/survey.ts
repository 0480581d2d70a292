import { type Pack, PackState } from "#model/change-set.ts";
import { nameBytesMax, rootId } from "#model/ids.ts";
import { foldColumn } from "#model/fold-key.ts";
import { type Dirent, FileType, type Inode, type Xattr } from "#model/inode.ts";
import { InodeFlag, ownerOfStreams, xattrFlag, xattrFlags } from "#model/inode-flags.ts";
import type { FileExtent, ScannedDirent } from "#model/metadata-store.ts";
import { absent, InodeTable } from "./inode-table.ts";
import { eachDirent, eachExtent, eachInode, eachOrphan, eachPack, eachXattr, extentEnd } from "./scan.ts";
import type { CheckTarget, Watch } from "./target.ts";

/** Suspects of one kind that are looked into; a share with more is checked again once these are repaired. */
const suspectsMax = 10_000;
const frameBytes = 65536;
const nsecMax = 999_999_999;
const cookieMin = 3;

/** A pack's row, and what its extents say. */
interface Counted {
  readonly size: number;
  readonly live: number;
  readonly known: boolean;
  stored: number;
}

/**
 * What does not fit together in one walk through all tables. Nothing of it is damage yet: the walk takes its time, and others change
 * the share meanwhile. `confirm.ts` looks at each again.
 */
export class Survey {
  readonly table = new InodeTable();
  readonly badInodes: number[] = [];
  /** Links, names or parent don't fit. */
  readonly tangled: number[] = [];
  readonly badNames: Dirent[] = [];
  readonly badCookies: Dirent[] = [];
  /** Names that are not found by their key. */
  readonly badFolds: ScannedDirent[] = [];
  /** What they say of their streams and attributes doesn't fit. */
  readonly badFlags: number[] = [];
  /** Ids that have attributes and are no inode's. */
  readonly bareXattrs: number[] = [];
  /** Entries whose file is not there. */
  readonly dangling: Dirent[] = [];
  /** Entries in what is no directory. */
  readonly outside: Dirent[] = [];
  /** One of each ring of directories that hold each other. */
  readonly loops: number[] = [];
  readonly orphans: number[] = [];
  /** Files whose extents don't fit the file or each other. */
  readonly badExtents: number[] = [];
  readonly fileless: number[] = [];
  readonly used: number[] = [];
  readonly outOfPack: FileExtent[] = [];
  readonly rowless: number[] = [];
  readonly live: number[] = [];
  readonly badPacks: number[] = [];
  inodes = 0;
  bytes = 0;
  highest = 0;
  /** More suspects of some kind than are looked into. */
  overflowed = false;
  private readonly packs = new Map<number, Counted>();
  private readonly target: CheckTarget;

  constructor(target: CheckTarget) {
    this.target = target;
  }

  async run(watch: Watch): Promise<void> {
    const { target } = this;
    const { inodes } = await target.store.usage();
    watch.step("inodes", inodes, "inodes");
    await eachInode(target, watch, (inode) => this.inode(inode));
    // Files with several names have more, those without one fewer than there are inodes.
    watch.step("names", null, "names");
    await this.eachName(watch);
    await eachXattr(target, watch, (xattr) => this.xattr(xattr));
    watch.step("extents", null, "extents");
    await eachPack(target, watch, (pack) => this.pack(pack));
    await this.eachRun(watch);
    await this.judgeOrphans(watch);
    this.judgeInodes();
    this.judgePacks();
    this.findLoops();
  }

  private note<T>(list: T[], suspect: T): void {
    if (list.length < suspectsMax) list.push(suspect);
    else this.overflowed = true;
  }

  private high(...numbers: readonly number[]): void {
    for (const number of numbers) if (number > this.highest) this.highest = number;
  }

  private inode(inode: Inode): void {
    const { id, links, type } = inode;
    this.table.add(id, type, links, inode.parent, inode.size, inode.used, inode.flags);
    this.high(id, inode.change);
    if (whatIsWrongWith(inode) !== null) this.note(this.badInodes, id);
    if (links <= 0) return;
    this.inodes++;
    if (type === FileType.regular) this.bytes += inode.used;
  }

  private async eachName(watch: Watch): Promise<void> {
    const { table } = this;
    let parent = Number.NaN;
    let cookie = 0;
    let directory = false;
    let fits = false;
    await eachDirent(this.target, watch, (dirent) => {
      if (dirent.parent !== parent) {
        const owner = ownerOfStreams(dirent.parent);
        const row = table.row(owner === 0 ? dirent.parent : owner);
        directory = owner === 0 && row !== absent && table.types[row] === FileType.directory;
        fits = owner === 0 ? directory : row !== absent && this.mayHaveStreams(row);
        if (owner !== 0 && row !== absent) table.asked[row] = (table.asked[row] as number) | InodeFlag.hasStreams;
      } else if (dirent.cookie === cookie) this.note(this.badCookies, dirent);
      ({ parent, cookie } = dirent);
      if (cookie < cookieMin) this.note(this.badCookies, dirent);
      this.high(cookie);
      if (!fits) this.note(this.outside, dirent);
      if (dirent.folded !== foldColumn(dirent.name)) this.note(this.badFolds, dirent);
      if (!isName(dirent.name)) this.note(this.badNames, dirent);
      this.refer(dirent, directory);
    });
  }

  private mayHaveStreams(row: number): boolean {
    const { types, parents } = this.table;
    return types[row] === FileType.directory || (types[row] === FileType.regular && parents[row] === 0);
  }

  private xattr({ id, name }: Xattr): void {
    const { table } = this;
    const row = table.row(id);
    if (row !== absent) table.asked[row] = (table.asked[row] as number) | xattrFlag(name);
    else if (this.bareXattrs[this.bareXattrs.length - 1] !== id) this.note(this.bareXattrs, id);
  }

  private refer(dirent: Dirent, inDirectory: boolean): void {
    const { table } = this;
    const row = table.row(dirent.child);
    if (row === absent) return this.note(this.dangling, dirent);
    table.names[row] = (table.names[row] as number) + 1;
    table.namedIn[row] = dirent.parent;
    if (!inDirectory || table.types[row] !== FileType.directory) return;
    const above = table.row(dirent.parent);
    table.subdirectories[above] = (table.subdirectories[above] as number) + 1;
  }

  private pack(pack: Pack): void {
    this.packs.set(pack.id, { size: pack.size, live: pack.live, known: true, stored: 0 });
    this.high(pack.id);
    if (whatIsWrongWithPack(pack, this.target) !== null) this.note(this.badPacks, pack.id);
  }

  private async eachRun(watch: Watch): Promise<void> {
    const { table } = this;
    let file = Number.NaN;
    let row = absent;
    let end = 0;
    let wrong = false;
    await eachExtent(this.target, watch, (of) => {
      const { extent } = of;
      if (of.file !== file) {
        file = of.file;
        row = table.row(file);
        end = 0;
        wrong = false;
        if (row === absent) this.note(this.fileless, file);
      }
      const stop = extentEnd(extent);
      const bad = extent.offset < end || !(extent.length > 0) || (row !== absent && (table.types[row] !== FileType.regular || stop > (table.sizes[row] as number)));
      if (bad && !wrong) {
        wrong = true;
        this.note(this.badExtents, file);
      }
      end = Math.max(end, stop);
      if (row !== absent) table.stored[row] = (table.stored[row] as number) + extent.length;
      this.inPack(of);
    });
  }

  private inPack(of: FileExtent): void {
    const { pack, packOffset, length } = of.extent;
    const counted = this.packs.get(pack);
    if (counted === undefined) {
      this.packs.set(pack, { size: 0, live: 0, known: false, stored: length });
      this.note(this.rowless, pack);
      return;
    }
    counted.stored += length;
    if (counted.known && (packOffset < 0 || packOffset + length > counted.size)) this.note(this.outOfPack, of);
  }

  private async judgeOrphans(watch: Watch): Promise<void> {
    const { table } = this;
    const listed = new Set<number>();
    await eachOrphan(this.target, watch, (id) => {
      const row = table.row(id);
      if (row === absent || (table.links[row] as number) > 0) this.note(this.orphans, id);
      else listed.add(row);
    });
    for (let row = 0; row < table.length; row++) {
      if (table.links[row] === 0 && table.names[row] === 0 && !listed.has(row)) this.note(this.orphans, table.ids[row] as number);
    }
  }

  private judgeInodes(): void {
    const { table } = this;
    for (let row = 0; row < table.length; row++) {
      const id = table.ids[row] as number;
      const names = table.names[row] as number;
      const links = table.links[row] as number;
      if (table.types[row] === FileType.directory) {
        const gone = links === 0 && names === 0 && table.subdirectories[row] === 0 && id !== rootId;
        const fits = links === 2 + (table.subdirectories[row] as number) && (id === rootId ? names === 0 : names === 1 && table.namedIn[row] === table.parents[row]);
        if (!gone && !fits) this.note(this.tangled, id);
      } else if (links !== names || !this.standsWhereItBelongs(row)) this.note(this.tangled, id);
      const wanted = table.asked[row] as number;
      if (!flagsFit(table.flags[row] as number, wanted)) this.note(this.badFlags, id);
      if (table.types[row] === FileType.regular && table.stored[row] !== table.used[row]) this.note(this.used, id);
    }
  }

  /** Of a file, whose parent is 0, and of a stream, whose parent is where its name says that it belongs to. */
  private standsWhereItBelongs(row: number): boolean {
    const { table } = this;
    if (table.names[row] === 0) return true;
    const owner = ownerOfStreams(table.namedIn[row] as number);
    return table.parents[row] === owner && (owner === 0 || table.types[row] === FileType.regular);
  }

  private judgePacks(): void {
    for (const [id, { live, stored, known }] of this.packs) if (known && live !== stored) this.note(this.live, id);
  }

  /** Follows the names upwards, each directory once. */
  private findLoops(): void {
    const { table } = this;
    const seen = new Uint32Array(table.length);
    for (let start = 0; start < table.length; start++) {
      if (table.types[start] !== FileType.directory || seen[start] !== 0) continue;
      for (let row = start; ; ) {
        seen[row] = start + 1;
        if (table.ids[row] === rootId || table.names[row] === 0) break;
        row = table.row(table.namedIn[row] as number);
        if (row === absent || table.types[row] !== FileType.directory) break;
        if (seen[row] === start + 1) this.note(this.loops, table.ids[row] as number);
        if (seen[row] !== 0) break;
      }
    }
  }
}

/** Flags that stay when what they speak of is gone. */
const lasting = InodeFlag.hasStreams | InodeFlag.hasXattrs;

/** Whether an inode's flags say what there is of streams and attributes. */
export function flagsFit(flags: number, wanted: number): boolean {
  const said = flags & (lasting | xattrFlags);
  return (wanted & ~said) === 0 && (said & ~wanted & ~lasting) === 0;
}

const encoder = new TextEncoder();

/** Whether clients could have made such a name. */
export function isName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) return false;
  return name.length * 3 <= nameBytesMax || encoder.encode(name).byteLength <= nameBytesMax;
}

const types: readonly number[] = Object.values(FileType);

/** What of an inode's row nothing in the program could have written, or null. */
export function whatIsWrongWith(inode: Inode): string | null {
  if (!(inode.id > 0)) return "its id is below 1";
  if (!types.includes(inode.type)) return `its type is ${inode.type}, which there is not`;
  if (inode.mode < 0 || inode.mode > 0o7777) return `its mode is ${inode.mode}, outside of 0..4095`;
  if (inode.links < 0 || inode.size < 0 || inode.used < 0) return "its link count, size or stored bytes are negative";
  if (!Number.isSafeInteger(inode.size)) return "its size is beyond 2^53";
  for (const { nsec } of [inode.atime, inode.mtime, inode.ctime, inode.birth]) if (nsec < 0 || nsec > nsecMax) return `one of its times has ${nsec} nanoseconds`;
  if (inode.type === FileType.symlink && inode.target === null) return "it is a symbolic link without a target";
  return null;
}

/** What of a pack's row can't be, or null. */
export function whatIsWrongWithPack(pack: Pack, { content }: CheckTarget): string | null {
  if (content.isOpen(pack.id)) return null;
  const { state, size } = pack;
  if (state !== PackState.pending && state !== PackState.live && state !== PackState.doomed) return `its state is ${state}, which there is not`;
  if (!content.isKeyOf(pack.key, pack.id)) return `its key is ${pack.key}, and not that of its id`;
  if (state === PackState.pending) return pack.live > 0 ? "files refer to it though it was never put" : null;
  if (!(size >= 0) || !Number.isSafeInteger(size)) return `its size is ${size}`;
  if (pack.frames.byteLength !== Math.ceil(size / frameBytes) * 4) return `it has checksums for ${pack.frames.byteLength / 4} frames, but ${Math.ceil(size / frameBytes)} frames`;
  if (state === PackState.doomed && pack.live > 0) return "it is on its way out though files refer to it";
  return null;
}

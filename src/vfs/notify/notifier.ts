import type { ChangeSet, Touched } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode, isStream } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { InodeCache } from "../cache/inode-cache.ts";
import { reportsOf } from "./applied.ts";
import { Permission, permissions } from "../access/permissions.ts";
import { Action, Concern } from "./concern.ts";
import { type Above, Places } from "./places.ts";
import { type Buffered, Watch, type WatchOptions } from "./watch.ts";

/** Bytes of changes that wait in all watches of one share. */
const bufferedBytesMax = 64 * 2 ** 20;
/** Reports that wait until the path of an earlier one is known; past it every watch has to list anew. */
const waitingMax = 4_096;

/** Directories between a watched one and a change of which it is asked who may list them; of what changes deeper nothing but that is told. */
const levelsMax = 256;
const listed: number = Permission.read | Permission.execute;
const nobody: readonly Watch[] = [];

/** Who is told of a change, and where it was from there; null: too deep. */
interface Told {
  readonly watch: Watch;
  readonly path: string | null;
}

/** What happened to one entry of a directory. */
export interface Report {
  readonly directory: FileId;
  /** The entry's name, and a stream's behind a NUL. */
  readonly name: string;
  readonly action: Action;
  /** Bits of `Concern`, and those of a watch that minds none of them but is told that the entry was modified. */
  readonly concerns: number;
  readonly otherwise: number;
}

/** The watches of a share. */
export class Notifier {
  /** Watches there are: with none, nothing need be reported. */
  size = 0;
  private recursive = 0;
  private readonly byDirectory = new Map<number, Watch[]>();
  private readonly buffered: Buffered = { bytes: 0, bytesMax: bufferedBytesMax, news: [] };
  readonly places: Places;
  private readonly failed: (error: unknown) => void;
  private waiting: Report[] = [];
  /** Paths of reports in `waiting` are being found out. */
  private finding = false;

  /** `failed`: told of reads that failed while a path was found out. */
  constructor(store: MetadataStore, inodes: InodeCache, failed: (error: unknown) => void) {
    this.places = new Places(store, inodes);
    this.failed = failed;
  }

  watch(options: WatchOptions): Watch {
    const watch = new Watch(options, this.buffered);
    const others = this.byDirectory.get(watch.directory);
    if (others === undefined) this.byDirectory.set(watch.directory, [watch]);
    else others.push(watch);
    this.size++;
    if (watch.recursive) this.recursive++;
    return watch;
  }

  unwatch(watch: Watch): void {
    const watches = this.byDirectory.get(watch.directory);
    const index = watches?.indexOf(watch) ?? -1;
    if (watches === undefined || index < 0) return;
    watches.splice(index, 1);
    if (watches.length === 0) this.byDirectory.delete(watch.directory);
    this.size--;
    if (watch.recursive) this.recursive--;
    watch.close();
  }

  /** A set took effect; called for every one while somebody watches. */
  applied(set: ChangeSet, touched: readonly Touched[]): void {
    for (const report of reportsOf(set, touched, this.places)) this.report(report);
    for (let i = 0; i < touched.length; i++) {
      const { id, before, after } = touched[i] as Touched;
      if (before !== null && before.type === FileType.directory && (after === null || after.links === 0)) this.removing(id);
    }
    this.tell();
  }

  /** Content of a file was written or cut, if it could be. */
  written(before: Inode, after: Inode | FsError): void {
    if (after instanceof FsError) return;
    const stream = isStream(before);
    const sizes = before.size === after.size ? 0 : stream ? Concern.streamSize : Concern.size;
    const concerns = sizes | (stream ? Concern.streamWrite : Concern.lastWrite);
    this.modified(before.id, concerns, stream ? Action.streamModified : Action.modified);
    this.tell();
  }

  /** The directory is gone, or will be with its last open: who watches it learns so. */
  removing(id: FileId): void {
    const watches = this.byDirectory.get(id);
    if (watches === undefined) return;
    for (let i = 0; i < watches.length; i++) (watches[i] as Watch).end();
    this.tell();
  }

  /** Something of a file or directory changed, and not its name. */
  private modified(id: FileId, concerns: number, action: Action): void {
    const place = this.places.of(id);
    if (place !== null) this.report({ directory: place.directory, name: place.name, action, concerns, otherwise: 0 });
    // Once for each: who would hear of it has to look.
    else if (this.places.isUnknown(id)) this.overflowAll(concerns);
  }

  private report(report: Report): void {
    if (this.finding || !this.deliver(report, null)) this.wait(report);
  }

  /** Tells the watches concerned; false: the directories above have to be found out first. */
  private deliver(report: Report, known: ReadonlyMap<number, Above> | null): boolean {
    const found: Told[] = [];
    let path = report.name;
    for (const watch of this.minding(report.directory, report)) found.push({ watch, path });
    const way: Inode[] = [];
    const sight: Sight = new Map();
    for (let at = report.directory; this.recursive > 0 && at !== rootId; ) {
      const above = known?.get(at) ?? this.places.ofDirectory(at);
      if (above === null) return false;
      path = `${above.name}/${path}`;
      if (way.length <= levelsMax) way.push(above.inode);
      at = above.parent;
      for (const watch of this.minding(at, report)) {
        if (!watch.recursive) continue;
        const inode = known?.get(at)?.inode ?? this.places.inode(at);
        if (inode === null) return false;
        if (way.length > levelsMax) found.push({ watch, path: null });
        else if (sees(watch.who(), inode, way, sight)) found.push({ watch, path });
      }
    }
    for (const { watch, path: told } of found) {
      if (told === null) watch.overflow();
      else watch.add(report.action, told, report.concerns);
    }
    return true;
  }

  private minding(directory: FileId, { concerns, otherwise }: Report): readonly Watch[] {
    return this.byDirectory.get(directory)?.filter((watch) => watch.minds(concerns | otherwise)) ?? nobody;
  }

  /** What follows a report whose path is not known yet waits with it, so that everything is told in order. */
  private wait(report: Report): void {
    if (this.waiting.length >= waitingMax) {
      this.waiting = [];
      this.overflowAll(~0);
      return;
    }
    this.waiting.push(report);
    if (this.finding) return;
    this.finding = true;
    this.findPaths()
      .catch((error: unknown) => {
        this.failed(error);
        this.waiting = [];
        this.overflowAll(~0);
      })
      .finally(() => {
        this.finding = false;
        this.tell();
      });
  }

  private async findPaths(): Promise<void> {
    for (let report = this.waiting[0]; report !== undefined; report = this.waiting[0]) {
      const names = await this.places.find(report.directory);
      // Emptied meanwhile, when too many waited.
      if (this.waiting[0] !== report) continue;
      this.waiting.shift();
      if (names === null || !this.deliver(report, names)) this.overflowAll(report.concerns);
      this.tell();
    }
  }

  private overflowAll(concerns: number): void {
    for (const watches of this.byDirectory.values()) {
      for (const watch of watches) if ((watch.concerns & concerns) !== 0) watch.overflow();
    }
  }

  private tell(): void {
    const { news } = this.buffered;
    if (news.length === 0) return;
    this.buffered.news = [];
    for (let i = 0; i < news.length; i++) (news[i] as Watch).tell();
  }
}

/** For how much of a way up, from its lower end, it is known that somebody sees it; `hidden`: he does not see all. He is judged once, however many watches he has. */
type Sight = Map<Credentials, number>;
const hidden = -1;

/**
 * Whether somebody who watches a directory is to know what happens in one below it: he would find it himself, as he may look names up in
 * the watched one and list and look up in each from there down, which `way` has from the last one up.
 */
function sees(who: Credentials, watched: Inode, way: readonly Inode[], sight: Sight): boolean {
  const known = sight.get(who) ?? 0;
  if (known === hidden) return false;
  for (let i = known; i < way.length; i++) {
    if ((permissions(way[i]!, who) & listed) === listed) continue;
    sight.set(who, hidden);
    return false;
  }
  if (known < way.length) sight.set(who, way.length);
  return (permissions(watched, who) & Permission.execute) !== 0;
}

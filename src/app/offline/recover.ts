import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { RecoveredLog } from "#cache/log/recovered-log.ts";
import { packKey, readFooter } from "#cache/packs/index.ts";
import type { RecoveredShare, RecoverProgress, RecoverRequest } from "#cli/ports.ts";
import type { Loaded } from "#config/index.ts";
import { HistoryError, HistoryReader, lastSegmentNumber, type Manifest, newestSnapshot, type Replayed, snapshotPieces, takeRecovered } from "#history/index.ts";
import { SqliteReplay } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { PackState } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { checkLayout } from "../process/data-directory.ts";
import { makeDirectory, missingAbove, removeEmpty, replaceFile, syncDirectory } from "../process/durable-files.ts";
import { placesOf, recoveredEnd, type SharePlaces } from "../share/places.ts";
import { isClaimed } from "../stores/claim.ts";
import { unfenced } from "../stores/fence.ts";
import { chooseShare, type FoundShare, goneFrom, openRecoveryStore, refuseMoved, sharesOf, storePlan } from "../stores/recovery-store.ts";
import { identityIn } from "../work/purge.ts";
import { planFor, registerShare } from "./recovery-rows.ts";

/** Progress is told so often. */
const progressMs = 500;
/** Ends the name of a database that is being made. */
const unfinished = ".recovering";

/**
 * Rebuilds a share in the data directory from its block store alone, takes it for this machine, and enters it into the control plane. Nothing
 * has its final name before it is whole, the database last: cut off anywhere it can be repeated.
 */
export async function recoverShare(loaded: Loaded, request: RecoverRequest, tell: (progress: RecoverProgress) => void): Promise<RecoveredShare> {
  const { config } = loaded;
  checkLayout(config.data_dir, !request.dryRun);
  const store = await openRecoveryStore(request);
  const found = chooseShare(await sharesOf(store), await goneFrom(store), request);
  const name = request.name ?? found.name;
  if (!request.acceptMoved) refuseMoved(found, found.name);
  const places = placesOf(config, await planFor(loaded, request, found, name));
  removeUnfinished(places);
  // Also of a trial run: what it says is what the other does.
  await refuseUnfenced(request);
  if (request.type === "filesystem") refuseServed(places, name);
  const done = unregistered(places, found.instance) ?? (await rebuild(loaded, request, found, name, places, tell));
  if (!request.dryRun) {
    await registerShare(loaded, request, name).catch((error: Error) => {
      throw new Error(
        `${error.message.replace(/\.$/, "")}. The share was taken for this machine before that, so that a server that had it serves it no more, and lies in ${places.database}. ` +
          "Put that right and say the same command again, which goes on from there",
      );
    });
    rmSync(places.database + recoveredEnd, { force: true });
  }
  return { ...done, name, instance: found.instance, host: found.manifest?.host ?? "", database: places.database };
}

async function rebuild({ config }: Loaded, request: RecoverRequest, found: FoundShare, name: string, places: SharePlaces, tell: (progress: RecoverProgress) => void): Promise<Figures> {
  refuseOverwriting(places, name);
  const missing = [dirname(places.database), places.content].flatMap(missingAbove);
  const blocks = await found.open();
  try {
    return await new Recovery(blocks, found, name, places, config.cache.log_segment_size, request.acceptLoss, tell).run(request.dryRun);
  } finally {
    await blocks.close();
    if (request.dryRun) removeEmpty(missing);
  }
}

/** What a recovery of this share found that was cut off when everything had its place, before it ended; null: there was none. */
function unregistered({ database }: SharePlaces, instance: string): Figures | null {
  if (!existsSync(database) || !existsSync(database + recoveredEnd) || identityIn(database)?.instance !== instance) return null;
  return JSON.parse(readFileSync(database + recoveredEnd, "utf8")) as Figures;
}

/** The log gets its name before the database: beside one that never got it, the log is what a recovery made that was cut off between the two. */
function removeUnfinished({ database, content }: SharePlaces): void {
  if (!existsSync(database) && existsSync(database + unfinished)) rmSync(join(content, "log"), { recursive: true, force: true });
}

function refuseOverwriting({ database, content }: SharePlaces, name: string): void {
  for (const place of [database, join(content, "log")]) {
    if (existsSync(place)) throw new Error(`${place} is there already: share ${name} has data on this machine, which would be overwritten. Give another --data-dir or --name, or move it away`);
  }
}

/** It could be taken, and not be served here as long as that server has its directory. */
function refuseServed({ blocks }: SharePlaces, name: string): void {
  if (isClaimed(blocks)) throw new Error(`a server that runs has ${blocks}, and serves share ${name} from it. Stop that server, or delete the share there, and recover again. Nothing was changed`);
}

/** Whoever takes a share from a store that doesn't fence may take it from a server that goes on. */
async function refuseUnfenced(request: RecoverRequest): Promise<void> {
  const why = await unfenced(storePlan(request), { clock: systemClock, random: systemRandom, logger: silentLogger });
  if (why !== null) throw new HistoryError(why);
}

type Figures = Pick<RecoveredShare, "files" | "bytes" | "segments" | "unstoredRecords" | "filesWithLoss">;

/** Whether a recovery needs a change of content: its file is there, and not yet stored so far. */
function isNeeded(inode: Inode | null, sequence: number): boolean {
  return inode !== null && inode.links > 0 && sequence > inode.contentSequence;
}

/** One share being rebuilt. */
class Recovery {
  private readonly blocks: BlockStore;
  private readonly found: FoundShare;
  private readonly name: string;
  private readonly places: SharePlaces;
  private readonly tell: (progress: RecoverProgress) => void;
  private readonly segmentBytes: number;
  private readonly acceptLoss: boolean;
  private readonly database: string;
  private readonly logDirectory: string;
  /** Of the packs that changes point to: each file with the last such change. */
  private readonly pointedAt = new Map<PackId, Map<FileId, number>>();
  private toldMs = Number.NEGATIVE_INFINITY;
  private toldPhase: RecoverProgress["phase"] | null = null;

  constructor(blocks: BlockStore, found: FoundShare, name: string, places: SharePlaces, segmentBytes: number, acceptLoss: boolean, tell: (progress: RecoverProgress) => void) {
    this.blocks = blocks;
    this.found = found;
    this.name = name;
    this.places = places;
    this.segmentBytes = segmentBytes;
    this.acceptLoss = acceptLoss;
    this.tell = tell;
    this.database = places.database + unfinished;
    this.logDirectory = join(places.content, "log.recovering");
  }

  async run(dryRun: boolean): Promise<Figures> {
    makeDirectory(dirname(this.places.database));
    makeDirectory(this.places.content);
    for (;;) {
      const manifest = await newestSnapshot(this.blocks, this.found.instance);
      if (manifest === null) throw new HistoryError(`there is no whole snapshot of share ${this.found.name} (instance ${this.found.instance}) in the store, so it can't be recovered from it`);
      this.clear();
      try {
        await this.fetch(manifest);
        const figures = await this.replay(manifest, dryRun);
        if (figures !== null) return figures;
      } catch (error) {
        this.clear();
        throw error;
      }
    }
  }

  private clear(): void {
    for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(this.database + end, { force: true });
    rmSync(this.logDirectory, { recursive: true, force: true });
  }

  private async fetch(manifest: Manifest): Promise<void> {
    const file = await open(this.database, "wx", 0o600);
    let done = 0;
    try {
      for await (const piece of snapshotPieces(this.blocks, manifest)) {
        await file.write(piece, 0, piece.length, done);
        done += piece.length;
        this.progress({ phase: "snapshot", done, of: manifest.bytes });
      }
    } finally {
      await file.close();
    }
    if (done !== manifest.bytes) throw new HistoryError(`the share's snapshot has ${done} bytes, not ${manifest.bytes}`);
  }

  /** Null: its server made a newer snapshot meanwhile, which has to be begun with. */
  private async replay(manifest: Manifest, dryRun: boolean): Promise<Figures | null> {
    const metadata = new SqliteReplay(this.database, systemRandom);
    let open = true;
    try {
      mkdirSync(this.logDirectory, { mode: 0o700 });
      const log = new RecoveredLog(this.logDirectory, metadata.instance, this.segmentBytes, systemClock.now().nsec);
      const reader = this.reader(manifest, metadata, log, await lastSegmentNumber(this.blocks, manifest.instance));
      let replayed = await reader.read();
      // Before the share is taken: who can't recover it must not take it from whoever has it.
      let figures: Figures = { ...figuresOf(metadata, replayed, log), filesWithLoss: await this.knowPacks(metadata) };
      if (!dryRun) {
        const mark = await takeRecovered({ blocks: this.blocks, share: this.name, host: hostname(), clock: systemClock, random: systemRandom }, reader, replayed);
        if (await reader.isOutdated()) return null;
        replayed = reader.replayed;
        const filesWithLoss = await this.knowPacks(metadata);
        await log.finish(mark.sequence);
        figures = { ...figuresOf(metadata, replayed, log), filesWithLoss };
        metadata.finish(mark);
        open = false;
        // Beside a database it says that a repetition has only the control plane to tell.
        replaceFile(this.places.database + recoveredEnd, JSON.stringify(figures));
        renameSync(this.logDirectory, join(this.places.content, "log"));
        syncDirectory(this.places.content);
        renameSync(this.database, this.places.database);
        syncDirectory(dirname(this.places.database));
      }
      return figures;
    } finally {
      if (open) {
        metadata.close();
        this.clear();
      }
    }
  }

  private reader(manifest: Manifest, metadata: SqliteReplay, log: RecoveredLog, last: number): HistoryReader {
    let done = 0;
    return new HistoryReader(this.blocks, manifest, {
      turn: ({ firstDrawn, sets }) => metadata.apply(firstDrawn, sets),
      record: (record) => {
        log.add(record);
        if (record.kind === "pointer") this.points(record.pack, record.file, record.sequence);
        else if (record.kind === "clone") for (const { pack } of record.runs) if (pack !== 0) this.points(pack, record.file, record.sequence);
      },
      // What its former owner publishes meanwhile comes on top.
      progress: ({ place: { number } }) => this.progress({ phase: "changes", done: ++done, of: done + Math.max(0, last - number) }),
    });
  }

  private points(pack: PackId, file: FileId, sequence: number): void {
    const files = this.pointedAt.get(pack);
    if (files === undefined) this.pointedAt.set(pack, new Map([[file, sequence]]));
    else files.set(file, sequence);
  }

  /**
   * A pack whose row came after the last cut is known by its footer. Throws where the store has not what a change points to: whoever reads the log
   * takes that for a write that was never acknowledged, and leaves it out.
   */
  private async knowPacks(metadata: SqliteReplay): Promise<number> {
    const lost = new Map<FileId, string>();
    let looked = 0;
    for (const [id, files] of this.pointedAt) {
      this.progress({ phase: "packs", done: ++looked, of: this.pointedAt.size });
      const needing = [...files].filter(([file, sequence]) => isNeeded(metadata.inode(file), sequence));
      if (needing.length === 0) continue;
      const row = metadata.pack(id);
      const key = row?.key ?? packKey(metadata.instance, id);
      const bytes = await this.blocks.size(key);
      const footer = bytes === null ? null : await readFooter((offset, length) => this.blocks.get(key, offset, length), bytes, metadata.instance, id, key);
      if (footer === null) for (const [file] of needing) lost.set(file, key);
      else if ((row?.frames.length ?? 0) === 0) {
        metadata.putPack({ id, key, state: PackState.pending, size: footer.size, live: 0, frames: footer.frames, since: systemClock.now() });
      }
    }
    const [example] = lost.values();
    if (example !== undefined && !this.acceptLoss) {
      throw new HistoryError(
        `what was written last to ${lost.size === 1 ? "a file" : `${lost.size} files`} lies in objects that the block store has not, or not whole, such as ${example}. ` +
          "Put them back (an older version of the bucket may have them) and recover again; --accept-loss recovers the share without these writes",
      );
    }
    return lost.size;
  }

  private progress(progress: RecoverProgress): void {
    const nowMs = systemClock.monotonicMs();
    if (progress.phase === this.toldPhase && progress.done !== progress.of && nowMs - this.toldMs < progressMs) return;
    this.toldMs = nowMs;
    this.toldPhase = progress.phase;
    this.tell(progress);
  }
}

function figuresOf(metadata: SqliteReplay, { segments }: Replayed, { records }: RecoveredLog): Omit<Figures, "filesWithLoss"> {
  const { inodes, bytes } = metadata.usage;
  return { files: inodes, bytes, segments, unstoredRecords: records };
}

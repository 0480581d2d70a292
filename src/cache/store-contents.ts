import type { ApplyResult, Change, Extent } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { FileState, FlushCut } from "./file-state.ts";
import type { FileTable } from "./file-table.ts";
import { type Job, layered } from "./gathered.ts";

/** Files whose contents are handed to the store in one event-loop turn, so that a flush never holds up a client for long. */
const filesPerTurn = 64;
/** Files that one set tells of at most: a set costs as much as a small file's rows. */
const filesPerSet = 16;
/** Extents laid by one set at most. */
const extentsPerSet = 1024;

const none = [] as const;

/**
 * Size, times and extents of each file of a flush, by one change to each; changes of several small files share a set, sets of one turn a
 * commit. No condition: a change to a file that lost its last link does nothing, and its set resolves once that removal is durable, too;
 * only then may the log forget its records. One at a time.
 */
export class ContentsToStore {
  private readonly files: FileTable;
  private readonly store: MetadataStore;
  private readonly turn: () => Promise<void>;
  private waits: Promise<void>[] = [];
  private failed: FsError | null = null;
  private thrown: { readonly error: unknown } | null = null;
  /** Of the set that is put together. */
  private group: Job[] = [];
  private changes: Change[] = [];
  private extents = 0;

  constructor(files: FileTable, store: MetadataStore, turn: () => Promise<void>) {
    this.files = files;
    this.store = store;
    this.turn = turn;
  }

  /** Null once all are durable in the store; else why some are unstored again. */
  async of(jobs: readonly Job[]): Promise<FsError | null> {
    let turnExtents = 0;
    for (let i = 0; i < jobs.length; i++) {
      const job = jobs[i] as Job;
      const all = layered(job.cut, job.extents);
      this.add(job, all);
      turnExtents += all.length;
      if (i % filesPerTurn !== filesPerTurn - 1 && turnExtents < extentsPerSet) continue;
      turnExtents = 0;
      this.send();
      await this.turn();
    }
    this.send();
    await Promise.all(this.waits);
    if (this.thrown !== null) throw this.thrown.error;
    return this.failed;
  }

  private add(job: Job, all: readonly Extent[]): void {
    if (this.group.length >= filesPerSet || this.extents + all.length > extentsPerSet) this.send();
    if (all.length > extentsPerSet) {
      this.settle([job], this.inParts(job, all), none);
      return;
    }
    this.group.push(job);
    this.changes.push(contentOf(job.file, job.cut, job.cut.cutTo, all));
    this.extents += all.length;
  }

  private send(): void {
    const { group, changes } = this;
    if (group.length === 0) return;
    this.group = [];
    this.changes = [];
    this.extents = 0;
    this.settle(group, this.store.apply({ conditions: none, changes }), changes);
  }

  private settle(group: readonly Job[], applied: Promise<ApplyResult>, changes: readonly Change[]): void {
    this.waits.push(
      applied.then(
        (result) => {
          if (result.applied) for (const { file, cut } of group) this.files.stored(file, cut);
          else return this.refused(group, changes, null);
        },
        (error: unknown) => this.refused(group, changes, { error }),
      ),
    );
  }

  /** Those of one set were refused together: each is tried by itself, so that nobody is kept back by another's trouble. */
  private refused(group: readonly Job[], changes: readonly Change[], thrown: { readonly error: unknown } | null): Promise<void> | undefined {
    if (group.length === 1) {
      const { file, cut } = group[0] as Job;
      this.files.restore(file, cut);
      if (thrown === null) this.failed = FsError.of("noSpace");
      else this.thrown = thrown;
      return undefined;
    }
    const from = this.waits.length;
    for (let i = 0; i < group.length; i++) {
      const own = [changes[i] as Change];
      this.settle([group[i] as Job], this.store.apply({ conditions: none, changes: own }), own);
    }
    return Promise.all(this.waits.splice(from)).then(nothing);
  }

  /**
   * A file with very many extents. The parts before the last are covered by the log until that is durable: replay puts the same bytes over
   * them. They lay bytes side by side, so that it doesn't matter which is durable first, and go a turn of the event loop each; but the one that cuts
   * goes before all, and the last, which says that all are there, when they are.
   */
  private async inParts({ file, cut }: Job, extents: readonly Extent[]): Promise<ApplyResult> {
    let { cutTo } = cut;
    let at = 0;
    const laid: Promise<ApplyResult>[] = [];
    for (; extents.length - at > extentsPerSet; at += extentsPerSet) {
      const part = extents.slice(at, at + extentsPerSet);
      const applied = this.store.apply({ conditions: none, changes: [{ do: "layExtents", id: file.id, sequence: cut.sequence, cutTo, extents: part }] });
      if (cutTo >= 0) {
        const cutThere = await applied;
        if (!cutThere.applied) return cutThere;
        cutTo = -1;
        continue;
      }
      // Looked at below, with the others.
      applied.catch(nothing);
      laid.push(applied);
      await this.turn();
    }
    // None is left behind on its way where another failed.
    for (const outcome of await Promise.allSettled(laid)) {
      if (outcome.status === "rejected") throw outcome.reason;
      if (!outcome.value.applied) return outcome.value;
    }
    return this.store.apply({ conditions: none, changes: [contentOf(file, cut, cutTo, extents.slice(at))] });
  }
}

function contentOf({ id }: FileState, { sequence, size, mtime, ctime }: FlushCut, cutTo: number, extents: readonly Extent[]): Change {
  return { do: "storeContent", id, sequence, size, mtime, ctime, cutTo, extents };
}

function nothing(): void {}

import type { Credentials } from "#model/credentials.ts";
import type { FileId } from "#model/ids.ts";
import { Action } from "./concern.ts";

/** Something that happened below a watched directory. */
export interface WatchedChange {
  readonly action: Action;
  /** Names from below the watched directory down, separated by "/"; a stream's name behind a NUL. */
  readonly path: string;
}

export interface WatchOptions {
  readonly directory: FileId;
  /** Everything below it too that its owner may see, not its own entries alone. */
  readonly recursive: boolean;
  /** Who its owner is, asked anew for each change below the directory's own entries. */
  readonly who: () => Credentials;
  /** Bits of `Concern`. */
  readonly concerns: number;
  /** Most bytes of changes that wait to be taken: `changeBytes` for each, and two for each UTF-16 unit of its path. */
  readonly bytesMax: number;
  /** Something can be taken, or the watch ended. Called while an operation takes effect: it may do no more than note it. */
  readonly told: () => void;
}

/** Bytes a change counts for without its path. */
const changeBytes = 12;

/** What all watches of a share have in common. */
export interface Buffered {
  /** Bytes of changes that wait in them, and the most there may be. */
  bytes: number;
  readonly bytesMax: number;
  /** Those whose owner is to be told. */
  news: Watch[];
}

/** A watched directory. `size` and `take` are its owner's, `add` and `end` the notifier's. */
export class Watch {
  readonly directory: FileId;
  readonly recursive: boolean;
  readonly who: () => Credentials;
  readonly concerns: number;
  /** The directory is gone, or going: nothing more will be told. */
  removed = false;
  private readonly bytesMax: number;
  private readonly told: () => void;
  private readonly buffered: Buffered;
  private changes: WatchedChange[] = [];
  private bytes = 0;
  private overflowed = false;
  private news = false;

  constructor(options: WatchOptions, buffered: Buffered) {
    this.directory = options.directory;
    this.recursive = options.recursive;
    this.who = options.who;
    this.concerns = options.concerns;
    this.bytesMax = options.bytesMax;
    this.told = options.told;
    this.buffered = buffered;
  }

  /** There is something to take. */
  get ready(): boolean {
    return this.overflowed || this.changes.length > 0;
  }

  /** What happened since the last call; null: more than is kept, the directory is to be listed anew. */
  take(): readonly WatchedChange[] | null {
    const { changes, overflowed } = this;
    this.empty();
    this.overflowed = false;
    return overflowed ? null : changes;
  }

  /** Whether its owner is to be told of a change with these concerns. */
  minds(concerns: number): boolean {
    return (this.concerns & concerns) !== 0 && !this.overflowed && !this.removed;
  }

  /** Of a change that it minds. `concerns` are those of the change; who minds none of them but one of the others sees the entry modified. */
  add(action: Action, path: string, concerns: number): void {
    if (this.overflowed || this.removed) return;
    const shown = (this.concerns & concerns) !== 0 ? action : Action.modified;
    const last = this.changes[this.changes.length - 1];
    // To be told twice in a row that a file changed says nothing more.
    if (last !== undefined && last.action === shown && (shown === Action.modified || shown === Action.streamModified) && last.path === path) return;
    const bytes = changeBytes + path.length * 2;
    this.mark();
    if (this.bytes + bytes > this.bytesMax || this.buffered.bytes + bytes > this.buffered.bytesMax) {
      this.overflow();
      return;
    }
    this.bytes += bytes;
    this.buffered.bytes += bytes;
    this.changes.push({ action: shown, path });
  }

  overflow(): void {
    this.empty();
    this.overflowed = true;
    this.mark();
  }

  /** The directory is gone, or going. */
  end(): void {
    this.removed = true;
    this.mark();
  }

  /** Lets the owner know, once for all that was added since. */
  tell(): void {
    this.news = false;
    this.told();
  }

  /** Nobody takes anything any more. */
  close(): void {
    this.empty();
    this.removed = true;
  }

  private mark(): void {
    if (this.news) return;
    this.news = true;
    this.buffered.news.push(this);
  }

  private empty(): void {
    this.buffered.bytes -= this.bytes;
    this.bytes = 0;
    this.changes = [];
  }
}

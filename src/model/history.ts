import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import type { ChangeSet, Extent } from "./change-set.ts";
import type { ContentRun } from "./file-content.ts";
import type { FsError } from "./fs-error.ts";
import type { FileId, PackId } from "./ids.ts";

/** Is told of every change of content that was accepted, in sequence order, as the log takes it. */
export interface ContentTap {
  wrote(file: FileId, sequence: number, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): void;
  pointed(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time, pack: PackId, packOffset: number, payloadCrc: number): void;
  truncated(file: FileId, sequence: number, newSize: number, mtime: Time): void;
  cloned(file: FileId, sequence: number, offset: number, runs: readonly ContentRun[], newSize: number, mtime: Time): void;
  punched(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time): void;
}

/** Where a flush has put a file's dirty bytes: everything written up to `sequence` that lies in one of the extents, as it was after that change. */
export interface PackedFile {
  readonly sequence: number;
  /** In order, without overlaps, of packs that are on their way into the block store. */
  readonly extents: readonly Extent[];
}

/** The history of a share, for those whose acknowledgements may rest on it. */
export interface ShareHistory extends ContentTap {
  /** Bytes of changes that are not published yet: they are held in memory. */
  readonly unshippedBytes: number;
  /** Whether it leaves bytes to packs at present (`packed`). */
  readonly leavesToPacks: boolean;
  /**
   * A flush has put dirty bytes into packs: the history may point to them instead of sending them too. True: it does, and the packs
   * stay what they are, whatever becomes of the flush, until all changes up to these sequences are stored.
   */
  packed(files: ReadonlyMap<FileId, PackedFile>): boolean;
  /** Why nothing may be acknowledged any more: somebody else took the share. Null: nobody did. */
  readonly lost: FsError | null;
  /**
   * Resolves when everything applied and accepted so far is published: whatever becomes of this machine, it is recovered. jukebox where that
   * takes longer than `waitMsMax` (Infinity: it is waited for), an error where it will never be.
   */
  published(waitMsMax: number): Maybe<FsError | null>;
  /** Resolves when what was applied by now is published, or never will be. False: never. */
  passed(): Promise<boolean>;
}

/** What vfs asks before a change that is acknowledged once it is published, and after it was applied. */
export interface Publication {
  /** Why a change should not even be begun now: it could not be published soon, or not at all. */
  refuses(): FsError | null;
  /** Resolves when what was applied is as safe as its acknowledgement says. */
  published(): Maybe<FsError | null>;
}

/** How a metadata store writes down what it applies, in the transaction that applies it. */
export interface TurnEncoder {
  /** A transaction begins whose first number of the share's sequence will be `firstDrawn`. */
  begin(turn: number, firstDrawn: number): void;
  add(set: ChangeSet): void;
  /** What was added since `begin`; null: nothing. The caller keeps it. */
  end(): Uint8Array | null;
}

/** Where in the bucket a share's history stands, as the local disk remembers it. */
export interface HistoryMark {
  readonly epoch: number;
  readonly number: number;
  /** Everything up to and with this transaction and this content change is published. */
  readonly turn: number;
  readonly sequence: number;
  /** The oldest content change a recovery from here needs, and the segment it begins with. */
  readonly oldestNeeded: number;
  readonly fromEpoch: number;
  readonly fromNumber: number;
  /** False: what was applied since was not kept, so that the history can't be gone on with and begins anew. */
  readonly continues: boolean;
  /** 16 bytes each: by these this database's servers, past and present, are known from another machine's. */
  readonly tokens: readonly Uint8Array[];
}

/** Transactions of a store that are kept, durably and atomically with what they did, until they are published. */
export interface Journal {
  /** The last transaction that was committed. */
  readonly turn: number;
  readonly mark: HistoryMark | null;
  /** Those after `turn`, in order: at most so many. */
  after(turn: number, limit: number): readonly { readonly turn: number; readonly bytes: Uint8Array }[];
  /** Called at each commit, before its sync. */
  onTurn(listener: (turn: number, bytes: Uint8Array) => void): void;
  /** Resolves when every transaction committed so far is on stable storage. */
  durable(): Promise<void>;
  /** Remembers where the history stands and lets go of what it has; written with one of the next commits, or by `keepMark`. */
  setMark(mark: HistoryMark): void;
  /** Makes the mark durable now. */
  keepMark(): Promise<void>;
  /**
   * Copies the store as it is at one moment into a file. `taken` is called at that moment, with the last transaction that is in it. Gives the
   * bytes copied; rejects where that can't be done now.
   */
  copyTo(path: string, taken: (turn: number) => void): Promise<number>;
}

/** Packs that a cut of the history points to: they stay as they are until they are stored and released. */
export interface HeldPacks {
  /** Resolves when their objects are in the block store: false where there is no room for them at present. */
  store(): Promise<boolean>;
  release(): void;
}

/** What the history asks of content. */
export interface ShippedContent {
  /** The last change that the log accounted for when it was opened. */
  readonly reached: number;
  /** The oldest accepted change that packs and metadata don't have yet: beyond the last where they have all. */
  oldestNeeded(): number;
  /** Resolves when every change accepted so far is on stable storage. */
  logged(): Maybe<void>;
  /** The same, and their bytes with them: those of large writes are not in the log. */
  safe(): Promise<void>;
  hold(packs: Iterable<PackId>): HeldPacks;
  /** There is room again for changes that wait to be accepted. */
  shipped(): void;
}

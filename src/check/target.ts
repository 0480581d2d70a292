import type { Clock } from "#base/clock.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { Extent, Pack } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Finding } from "./finding.ts";

/** A run of a file's bytes that is to lie in another pack, with its bytes, which are known to be right. */
export interface Piece {
  readonly file: FileId;
  readonly extent: Extent;
  readonly bytes: Uint8Array;
}

/** What of a share's content the check asks of whoever serves it. */
export interface ContentSide {
  /** The pack is being filled, put, or still pointed to by the log: its object and its row are on their way. */
  isOpen(id: PackId): boolean;
  /** Whether a pack's object may lie under this key. */
  isKeyOf(key: string, id: PackId): boolean;
  /** Bytes of the object of a pack with so much payload. */
  objectBytes(size: number): number;
  /** Size and frames as the footer of the pack's object has them; null: no such whole object. */
  fromObject(id: PackId): Promise<Pick<Pack, "key" | "size" | "frames"> | null>;
  /** Segments of the share's log in which the disk damaged acknowledged changes, as far as they are kept. */
  damagedLog(): readonly string[];
  /** Everything accepted so far is stored, as far as the stores take it. */
  settle(): Promise<void>;
  /** Bytes of a pack as the local disk has a copy of them, into `target`; false: none, or not all. Not verified. */
  copy(key: string, offset: number, target: Uint8Array): Promise<boolean>;
  /** What the page cache has of an extent that is stored as it is there; false: not all of it. */
  pages(file: FileId, extent: Extent, target: Uint8Array): Promise<boolean>;
  /** A pack's row was made anew. */
  forgetPack(id: PackId): void;
  /** Puts pieces into fresh packs, and has their extents refer there where they are still the same. False: not stored. */
  replace(pieces: readonly Piece[]): Promise<boolean>;
}

/** The share that is checked. `blocks` is the store itself, below every cache. */
export interface CheckTarget {
  readonly store: MetadataStore;
  readonly blocks: BlockStore;
  readonly content: ContentSide;
  readonly clock: Clock;
}

/** Who follows the work: it is told of progress and findings, and may end it. */
export interface Watch {
  readonly cancelled: boolean;
  /** A new part of the work begins, `total` (null: nobody knows) of `unit` long. */
  step(name: string, total: number | null, unit: string): void;
  advance(by: number): void;
  found(finding: Finding): void;
}

/** The work was ended before it was done. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
  constructor() {
    super("cancelled");
  }
}

/** To look for something else in passing is no progress of the step that is under way; that work was ended holds for it, too. */
export function quiet(watch: Watch): Watch {
  return {
    get cancelled() {
      return watch.cancelled;
    },
    step() {},
    advance() {},
    found() {},
  };
}

export function goOn(watch: Watch): void {
  if (watch.cancelled) throw new Cancelled();
}

/** Lets the event loop serve others. */
export function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.atTurnEnd(resolve));
}

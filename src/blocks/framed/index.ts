/**
 * A block store around another whose objects are compressed and encrypted frame by frame (docs/formats/framed-object.md), in one
 * pass: a range is read by what lies in the frames it touches, and by one small read of the object's head, which is remembered.
 *
 * Invariants
 * - What kind of object it is, its key in the wrapped store says: a framed one has a suffix that no other has. So content can't be
 *   made up that is taken for a framed object, nor a framed one passed off as plain.
 * - But where servers race for a key there is one key, whatever each of them does to objects: what is there says by its beginning what it is.
 * - A store that encrypts gives nothing that isn't encrypted, unless it was told that there are such objects from before.
 * - A store that does neither (any more) still reads what did.
 * - Of a range that is given every frame was authenticated, where the object is encrypted, before the caller sees a byte of it.
 * - Bytes of objects on their way into the store are bounded; so are the heads remembered.
 */
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { Keyring } from "../keyring/index.ts";
import { FramedBlocks } from "./store.ts";

export { FramedBlocks, framedSuffix, objectBytesMax } from "./store.ts";

export interface FramedOptions {
  readonly blocks: BlockStore;
  /** What the keys of the share's objects begin with: its instance and a slash. */
  readonly keyPrefix: string;
  /** New objects are compressed where that pays. */
  readonly compress: boolean;
  /** New objects are encrypted; takes a keyring. */
  readonly encrypt: boolean;
  /** With what encrypted objects are read; null: they are refused. */
  readonly keyring: Keyring | null;
  /** Objects that aren't encrypted are read in spite of `encrypt`: there are such from before. */
  readonly acceptPlain: boolean;
  /** Under keys that begin so servers race for who is first: these must not depend on how each of them compresses or encrypts. No plain one begins as a framed one does. */
  readonly raced?: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Wraps `blocks`, which it closes with itself. */
export function openFramedBlocks(options: FramedOptions): FramedBlocks {
  return new FramedBlocks(options);
}

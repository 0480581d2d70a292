/**
 * The key-encryption keys of a share: random keys that wrap the data keys of its objects. The ring of them lies in the block store
 * itself, encrypted with a master key (docs/formats/keyring.md).
 *
 * Invariants
 * - A ring is an immutable object under a number of its own; the highest number counts. Another master key, or another key in use, is
 *   another ring under the next number, and no object with content is touched.
 * - A key is used after the ring that has it is durable, and stays in every later ring.
 * - No ring where there should be one is an error, never the beginning of a new one.
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import type { Random } from "#base/random.ts";
import type { BlockStore } from "#model/block-store.ts";
import { decodeRing, encodeRing, KeyringError, ringBytesMax, type RingKey } from "./format.ts";
import type { MasterKeys } from "./master-keys.ts";

export { KeyringError } from "./format.ts";
export { type MasterKeys, masterIdLengthMax, parseMasterKeys } from "./master-keys.ts";

const folder = "keyring/";
const kekBytes = 32;
const idBytes = 16;
const nonceBytes = 12;
const numberDigits = 8;

/** What the keys of a share's rings begin with. `keyPrefix`: what those of its objects begin with. */
export function keyringPrefix(keyPrefix: string): string {
  return keyPrefix + folder;
}

export interface KeyringOptions {
  readonly blocks: BlockStore;
  /** What the keys of the share's objects begin with: its instance and a slash. */
  readonly keyPrefix: string;
  readonly masters: MasterKeys;
  /** Whether a ring may be made where there is none: nothing is encrypted yet. */
  readonly mayBegin: boolean;
  readonly random: Random;
}

/** A key-encryption key. */
export interface Kek {
  readonly id: Uint8Array;
  readonly key: KeyObject;
}

interface Ring {
  readonly number: number;
  readonly object: string;
  readonly master: string;
  readonly keys: readonly RingKey[];
  readonly byId: ReadonlyMap<string, Kek>;
  readonly current: Kek;
}

export interface RingState {
  /** Id of the master key it is wrapped with. */
  readonly master: string;
  /** Key-encryption keys, the one in use and those before it. */
  readonly keys: number;
}

export class Keyring {
  private readonly options: KeyringOptions;
  private masters: MasterKeys;
  private ring: Ring | null = null;
  private loading: Promise<Ring> | null = null;
  private rotating: Promise<unknown> = Promise.resolve();

  constructor(options: KeyringOptions) {
    this.options = options;
    this.masters = options.masters;
  }

  /** What the keys of rings begin with. */
  get prefix(): string {
    return keyringPrefix(this.options.keyPrefix);
  }

  /** Reads the ring, or begins one. What failed is tried again by whoever needs it next. */
  async load(): Promise<RingState & { readonly current: string }> {
    const { master, keys } = await this.read();
    return { master, keys: keys.length, current: this.masters.current };
  }

  /** The key to wrap with; at hand without waiting once there was one. */
  async current(): Promise<Kek> {
    return (this.ring ?? (await this.read())).current;
  }

  /** The key of that id, or null. Somebody else may have begun it meanwhile, so an unknown one is looked for in the store once more. */
  async find(id: Uint8Array): Promise<Kek | null> {
    const name = hex(id);
    const kek = (this.ring ?? (await this.read())).byId.get(name);
    if (kek !== undefined) return kek;
    this.ring = null;
    return (await this.read()).byId.get(name) ?? null;
  }

  /** Throws KeyringError where `masters` could not open this ring. */
  async check(masters: MasterKeys): Promise<void> {
    const { object } = this.ring ?? (await this.read());
    decodeRing(await this.bytesOf(object), masters, object);
  }

  /** Wraps the ring with the master key in use of `masters`, and begins a new key for what is stored from here on. */
  rotate(masters: MasterKeys): Promise<RingState> {
    const rotated = this.rotating.then(() => this.rotateNow(masters));
    this.rotating = rotated.catch(() => {});
    return rotated;
  }

  private async rotateNow(masters: MasterKeys): Promise<RingState> {
    this.ring = null;
    const old = await this.read(masters);
    // Should the answer to the put be lost, they open what was put, too.
    this.masters = masters;
    const ring = await this.put(old.number + 1, [...old.keys, this.fresh()], masters);
    this.ring = ring;
    try {
      await this.deleteBefore(ring);
    } catch (error) {
      throw new KeyringError(`the keyring is rotated, but the one before it, which the old master key opens, could not be deleted (${(error as Error).message}). The share's next start deletes it, or another rotation`);
    }
    return { master: ring.master, keys: ring.keys.length };
  }

  /** Deletes what a rotation that was cut off left: rings before the newest, once that is known to open. How many that were. */
  async tidy(): Promise<number> {
    return await this.deleteBefore(this.ring ?? (await this.read()));
  }

  private async deleteBefore({ object }: Ring): Promise<number> {
    const stale: string[] = [];
    for await (const { key } of this.options.blocks.list(this.prefix)) if (key < object) stale.push(key);
    if (stale.length > 0) await this.options.blocks.delete(stale);
    return stale.length;
  }

  private read(masters = this.masters): Promise<Ring> {
    this.loading ??= this.readNow(masters).finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  private async readNow(masters: MasterKeys): Promise<Ring> {
    let newest = await this.newest();
    if (newest === null) {
      if (!this.options.mayBegin) {
        throw new KeyringError(`the keyring ${this.prefix} is not in the block store, though there is content that needs it. Put it back from a copy of the bucket; without it what is encrypted can't be read`);
      }
      try {
        return (this.ring = await this.put(1, [this.fresh()], masters));
      } catch (error) {
        // Somebody else began it at this moment.
        newest = await this.newest();
        if (newest === null) throw error;
      }
    }
    const { master, keys } = decodeRing(await this.bytesOf(newest), masters, newest);
    return (this.ring = ringOf(newest, Number(newest.slice(this.prefix.length)), master, keys));
  }

  private async newest(): Promise<string | null> {
    let newest: string | null = null;
    for await (const { key } of this.options.blocks.list(this.prefix)) if (newest === null || key > newest) newest = key;
    return newest;
  }

  private async bytesOf(object: string): Promise<Uint8Array> {
    const size = await this.options.blocks.size(object);
    if (size === null || size > ringBytesMax) throw new KeyringError(`${object} is no keyring: ${size === null ? "it is gone" : `it has ${size} bytes`}`);
    return await this.options.blocks.get(object, 0, size);
  }

  private fresh(): RingKey {
    return { id: this.options.random.bytes(idBytes), bytes: this.options.random.bytes(kekBytes) };
  }

  private async put(number: number, keys: readonly RingKey[], masters: MasterKeys): Promise<Ring> {
    const object = this.prefix + String(number).padStart(numberDigits, "0");
    const bytes = encodeRing(keys, masters, object, this.options.random.bytes(nonceBytes));
    await this.options.blocks.put(object, { from: "slices", slices: [bytes] });
    return ringOf(object, number, masters.current, keys);
  }
}

function ringOf(object: string, number: number, master: string, keys: readonly RingKey[]): Ring {
  const byId = new Map(keys.map(({ id, bytes }): [string, Kek] => [hex(id), { id, key: createSecretKey(bytes) }]));
  return { number, object, master, keys, byId, current: [...byId.values()][byId.size - 1] as Kek };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

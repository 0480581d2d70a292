import { createSecretKey } from "node:crypto";
import { type BlockStore, DamagedObjectError, MissingObjectError, StoreFault, StoreRefusedError } from "#model/block-store.ts";
import { Recency, type Ringed } from "#base/lru.ts";
import type { Keyring } from "../keyring/index.ts";
import { checkHead, unwrapDataKey } from "./cipher.ts";
import type { Opened } from "./decode.ts";
import { beginsFramed, headBytes, headParts, magicBytes, readHead } from "./format.ts";

/** With 256 frames each some 5 MiB: heads of 64 GiB of full packs. */
const headsMax = 4096;

class Held implements Ringed {
  readonly key: string;
  /** Null: the object is a plain one. */
  readonly opened: Opened | null;
  slot = -1;
  used = false;

  constructor(key: string, opened: Opened | null) {
    this.key = key;
    this.opened = opened;
  }
}

export const notSealed = "somebody exchanged it, or it is from before the encryption, or of a server without. If it may be, say so with --encryption-accept-plain true";

export interface HeadsOptions {
  readonly blocks: BlockStore;
  readonly keyring: Keyring | null;
  /** Ends the keys of framed objects. */
  readonly suffix: string;
  /** Whoever can write to the bucket must not be able to have something read that isn't encrypted. */
  readonly sealedOnly: boolean;
  /** Whether servers race for a key, so that an object has it as it is, framed or not. */
  readonly isRaced: (key: string) => boolean;
}

/** What is known of objects. An object that is deleted has to be forgotten. */
export class Heads {
  private readonly options: HeadsOptions;
  private readonly held = new Map<string, Held>();
  private readonly recency = new Recency<Held>(headsMax);
  private readonly loading = new Map<string, Promise<Opened | null>>();

  constructor(options: HeadsOptions) {
    this.options = options;
  }

  /** What is remembered: undefined where that is nothing, null of a plain object. */
  now(key: string): Opened | null | undefined {
    const held = this.held.get(key);
    if (held === undefined) return undefined;
    held.used = true;
    return held.opened;
  }

  rememberPlain(key: string): void {
    this.remember(key, null);
  }

  forget(key: string): void {
    this.loading.delete(key);
    const held = this.held.get(key);
    if (held === undefined) return;
    this.held.delete(key);
    this.recency.remove(held);
  }

  /** Reads the head of a framed object, once however many ask. Throws MissingObjectError of `key`, DamagedObjectError, StoreRefusedError. */
  load(key: string): Promise<Opened> {
    const under = this.loading.get(key) as Promise<Opened> | undefined;
    if (under !== undefined) return under;
    const loading = this.read(key).then(
      (opened) => {
        // Deleted meanwhile, the key may be another object's by now.
        if (this.loading.get(key) === loading) {
          this.loading.delete(key);
          this.remember(key, opened);
        }
        return opened;
      },
      (error: unknown) => {
        if (this.loading.get(key) === loading) this.loading.delete(key);
        throw error;
      },
    );
    this.loading.set(key, loading);
    return loading;
  }

  private remember(key: string, opened: Opened | null): void {
    this.forget(key);
    const held = new Held(key, opened);
    this.held.set(key, held);
    const gone = this.recency.add(held);
    if (gone !== null) this.held.delete(gone.key);
  }

  /** What lies under a raced key itself: null, a plain object; undefined, nothing. */
  async raced(key: string): Promise<Opened | null | undefined> {
    try {
      if (!beginsFramed(await this.options.blocks.get(key, 0, magicBytes))) return null;
      const opened = await this.read(key, key);
      this.remember(key, opened);
      return opened;
    } catch (error) {
      if (error instanceof MissingObjectError) return undefined;
      throw error;
    }
  }

  private async read(key: string, stored = key + this.options.suffix): Promise<Opened> {
    const { blocks, keyring, sealedOnly, isRaced } = this.options;
    let head: Uint8Array;
    try {
      head = await blocks.get(stored, 0, headBytes);
    } catch (error) {
      throw error instanceof MissingObjectError ? new MissingObjectError(key) : error;
    }
    const { layout, key: wrapped } = readHead(head, key);
    const headTag = headParts(head).seal.slice();
    if (wrapped === null && sealedOnly) throw new DamagedObjectError(`object ${key} is not encrypted, though the block store is: ${notSealed}`);
    if (wrapped === null) return { stored, layout, dataKey: null, headTag };
    // To wait for a key would be to go on beside whoever has it.
    if (keyring === null && isRaced(key)) throw new DamagedObjectError(`object ${key} is encrypted, and there is no master key for it here: name the key file with --encryption-key-file, or the variable with --encryption-key-env`);
    if (keyring === null) throw new StoreRefusedError(StoreFault.key, `object ${key} is encrypted, and the block store is given no master key: name the key file with --encryption-key-file, or the variable with --encryption-key-env`);
    const kek = await keyring.find(wrapped.id);
    if (kek === null) throw new DamagedObjectError(`object ${key} is damaged, or its share's keyring under ${keyring.prefix} was put back from an older copy: it does not have the key ${Buffer.from(wrapped.id).toString("hex")}`);
    const dataKey = createSecretKey(unwrapDataKey(kek.key, wrapped.wrapped, key, head));
    checkHead(dataKey, key, head);
    return { stored, layout, dataKey, headTag };
  }
}

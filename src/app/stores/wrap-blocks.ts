import type { Clock } from "#base/clock.ts";
import { Keyring, KeyringError, limitBlocks, MeteredBlocks, openFramedBlocks, type Rates } from "#blocks/index.ts";
import type { StorePlan } from "#control/index.ts";
import { historyPrefix } from "#history/index.ts";
import { type BlockStore, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { masterKeysOf } from "./key-file.ts";
import type { Surroundings } from "../share/open-share.ts";

/** A block store as a share uses it, and the parts of it that are asked for by themselves. */
export interface WrappedBlocks {
  readonly blocks: BlockStore;
  readonly meter: MeteredBlocks;
  /** Null where nothing is or was encrypted. */
  readonly keyring: Keyring | null;
}

export interface WrapOptions {
  /** What the keys of the share's objects begin with: its instance and a slash. */
  readonly keyPrefix: string;
  /** The share has content in the store. */
  readonly filled: boolean;
  /** The share is to be served: what a rotation that was cut off left of older keyrings goes. */
  readonly serves: boolean;
}

/** How long a start waits for the keyring of a store that doesn't answer; then the share opens without, and reads it when it needs it. */
const keyringMsMax = 5_000;

/**
 * What stands around a store, from within: the meter, which sees each request as the store does; the limit, so that what waits for
 * its turn is not counted as the store's slowness, and bytes are those that travel; compression and encryption. A cache on the local
 * disk comes outside of all this: what it gives costs no request, and is as readable there as log and packs are. Closes `store` where
 * that fails.
 */
export async function wrapBlocks(plan: StorePlan, store: BlockStore, options: WrapOptions, around: Pick<Surroundings, "clock" | "random" | "logger">): Promise<WrappedBlocks> {
  try {
    const meter = new MeteredBlocks(store, around.clock);
    const rates = ratesOf(plan);
    const limited = rates === null ? meter : limitBlocks(meter, rates, around.clock);
    const { compression, encryption } = plan.config;
    if (compression === undefined && encryption === undefined) return { blocks: limited, meter, keyring: null };
    const { clock, random } = around;
    const acceptPlain = plan.config["encryption_accept_plain"] === true;
    const encrypt = encryption === "aes-256-gcm";
    const masters = masterKeysOf(plan);
    const mayBegin = encrypt && (!options.filled || acceptPlain);
    const keyring = masters === null ? null : new Keyring({ blocks: limited, keyPrefix: options.keyPrefix, masters, mayBegin, random });
    if (encrypt && keyring !== null && (await loadKeyring(keyring, plan, around)) && options.serves) await tidyKeyring(keyring, around);
    const blocks = openFramedBlocks({ blocks: limited, keyPrefix: options.keyPrefix, compress: compression === "zstd", encrypt, keyring, acceptPlain, raced: historyPrefix(options.keyPrefix.slice(0, -1)), clock, random });
    return { blocks, meter, keyring };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Whether it was read. A wrong master key keeps a share from being opened; a store that is away or refuses to work doesn't, as of any share. */
async function loadKeyring(keyring: Keyring, { name }: StorePlan, { clock, logger }: Pick<Surroundings, "clock" | "logger">): Promise<boolean> {
  const loaded = keyring.load();
  try {
    const { master, current } = await within(loaded, clock);
    if (master !== current) logger.warn({ master, current }, `the keyring is wrapped with an older master key than the first; keep that key until this is done: dittofs store block rotate-key ${name}`);
    return true;
  } catch (error) {
    const store = error instanceof StoreUnavailableError || error instanceof StoreRefusedError;
    if (!store || error instanceof KeyringError) throw error;
    loaded.catch(() => {});
    logger.warn({ error }, "the block store is away or refuses to work, so its keyring could not be read; content waits for it");
    return false;
  }
}

async function tidyKeyring(keyring: Keyring, { clock, logger }: Pick<Surroundings, "clock" | "logger">): Promise<void> {
  const tidied = keyring.tidy();
  try {
    const deleted = await within(tidied, clock);
    if (deleted > 0) logger.warn({ deleted }, "a rotation of keys was cut off before it had deleted the older keyring; that is done now");
  } catch (error) {
    tidied.catch(() => {});
    logger.warn({ error }, "whether there are older keyrings in the block store could not be looked up, or they could not be deleted; the next start tries again");
  }
}

function within<T>(work: Promise<T>, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = clock.after(keyringMsMax, () => reject(new StoreUnavailableError(`no answer within ${keyringMsMax / 1000} s`)));
    void work.then(resolve, reject).finally(() => late.cancel());
  });
}

function ratesOf({ config }: StorePlan): Rates | null {
  const number = (key: string) => (typeof config[key] === "number" ? config[key] : null);
  const rates = { requests: number("limit_requests"), uploadBytes: number("limit_upload"), downloadBytes: number("limit_download") };
  return Object.values(rates).every((rate) => rate === null) ? null : rates;
}

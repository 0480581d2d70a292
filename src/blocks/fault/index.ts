/** A block store around another whose operations tests fail, delay or observe; by hooks, or by a plan drawn from a seed. */
import type { BlockStore, ObjectSource } from "#model/block-store.ts";

export { PlannedFaults, type FaultPlan } from "./plan.ts";

export type Operation = "put" | "get" | "size" | "delete" | "list" | "space";

/** What happens around each operation of a store; a hook that throws or rejects fails it, one that waits delays it. */
export interface Faults {
  /** Before the store is asked. `key` is the first key or the prefix; "" for `space`. */
  before?(operation: Operation, key: string): void | Promise<void>;
  /** After the store did it and before the caller knows: a lost answer. */
  after?(operation: Operation, key: string): void | Promise<void>;
  /** How many bytes of a read arrive before it fails, and with what; null: all. */
  cut?(key: string, length: number): { readonly bytes: number; readonly error: Error } | null;
}

/** A store that fails as told, for tests. Hides optional abilities of `store`. */
export function faultyBlocks(store: BlockStore, faults: Faults): BlockStore {
  async function around<T>(operation: Operation, key: string, run: () => Promise<T>): Promise<T> {
    await faults.before?.(operation, key);
    const result = await run();
    await faults.after?.(operation, key);
    return result;
  }
  return {
    put: (key: string, source: ObjectSource) => around("put", key, () => store.put(key, source)),
    get: (key: string, offset: number, length: number, target?: Uint8Array) =>
      around("get", key, async () => {
        const cut = faults.cut?.(key, length) ?? null;
        if (cut === null) return await store.get(key, offset, length, target);
        // What has arrived stands in the target, as after a connection that broke.
        await store.get(key, offset, cut.bytes, target?.subarray(0, cut.bytes));
        throw cut.error;
      }),
    size: (key: string) => around("size", key, () => store.size(key)),
    delete: (keys: readonly string[]) => around("delete", keys[0] ?? "", () => store.delete(keys)),
    async *list(prefix: string) {
      await faults.before?.("list", prefix);
      for await (const entry of store.list(prefix)) {
        yield entry;
        await faults.after?.("list", prefix);
      }
    },
    space: () => around("space", "", () => store.space()),
    close: () => store.close(),
  };
}

import { decodeFileHandle, fileHandleBytes } from "#model/file-handle.ts";
import type { ShareIdentity } from "#model/metadata-store.ts";

/** Past so many the share removed first is forgotten: its handles are then those of a stranger. */
const removedMax = 1024;

/** Shares that the server had, by the word their instances begin with: what their handles refer to is gone, not forged. */
export class RemovedShares {
  private readonly byInstance = new Map<number, readonly ShareIdentity[]>();
  private readonly order: ShareIdentity[] = [];

  add(identity: ShareIdentity): void {
    this.forget(identity);
    const key = keyOf(identity);
    this.byInstance.set(key, [...(this.byInstance.get(key) ?? []), identity]);
    this.order.push(identity);
    const first = this.order[0];
    if (this.order.length > removedMax && first !== undefined) this.forget(first);
  }

  private forget(identity: ShareIdentity): void {
    const at = this.order.findIndex((each) => Buffer.compare(each.instance, identity.instance) === 0);
    const known = this.order[at];
    if (known === undefined) return;
    this.order.splice(at, 1);
    const key = keyOf(known);
    const rest = (this.byInstance.get(key) ?? []).filter((each) => each !== known);
    if (rest.length === 0) this.byInstance.delete(key);
    else this.byInstance.set(key, rest);
  }

  /** Whether one of them made this handle; `key` is the word its instance begins with. */
  made(key: number, bytes: Uint8Array, offset: number): boolean {
    const found = this.byInstance.get(key);
    if (found === undefined) return false;
    const handle = bytes.subarray(offset, offset + fileHandleBytes);
    return found.some(({ instance, handleKey }) => decodeFileHandle(instance, handleKey, handle) !== null);
  }
}

function keyOf({ instance }: ShareIdentity): number {
  return new DataView(instance.buffer, instance.byteOffset).getUint32(0);
}

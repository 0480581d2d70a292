import type { Framing } from "./framing.ts";
import { RecordAssembler } from "./record-assembler.ts";

/** What one connection sent and nobody has been handed yet: a message begun, and bytes held back while a bound is reached. */
export class Inbox {
  readonly assembler: RecordAssembler;
  /** Bytes received that are not looked at yet, from `heldAt` on; null: none. */
  held: Uint8Array | null = null;
  heldAt = 0;

  constructor(framing: Framing, messageBytesMax: number) {
    this.assembler = new RecordAssembler(framing, messageBytesMax);
  }

  /** Memory kept. A chunk counts whole: it stays whole while any of it is held. */
  get keptBytes(): number {
    return this.assembler.keptBytes + (this.held === null ? 0 : this.held.length);
  }

  hold(chunk: Uint8Array, at: number): void {
    this.held = chunk;
    this.heldAt = at;
  }

  /** More arrived behind what is held. */
  append(chunk: Uint8Array): void {
    if (this.held !== null) this.hold(Buffer.concat([this.held.subarray(this.heldAt), chunk]), 0);
  }

  /** Takes out what is held; it goes on at `heldAt`. */
  unhold(): Uint8Array | null {
    const held = this.held;
    this.held = null;
    return held;
  }

  clear(): void {
    this.held = null;
    this.assembler.clear();
  }
}

import { OutBuffer } from "#net/index.ts";
import type { Transport } from "../client.ts";

/** The answer to one datagram: a message, without record marks, that is whole when dispatch returns. */
export class DatagramTransport implements Transport {
  readonly id = 0;
  readonly address: string;
  readonly localAddress: string;
  readonly takenMs = 0;
  private readonly out: OutBuffer;
  private complete = false;

  /** `out` is overwritten. */
  constructor(address: string, localAddress: string, out: OutBuffer) {
    this.address = address;
    this.localAddress = localAddress;
    this.out = out;
  }

  get reply(): Uint8Array | null {
    return this.complete ? this.out.bytes.subarray(0, this.out.length) : null;
  }

  beginMessage(): OutBuffer {
    this.out.length = 0;
    return this.out;
  }

  endMessage(): void {
    this.complete = true;
  }

  endMessageWithPayload(slices: readonly Uint8Array[], _length: number, _padding: number, lender: { release(): void }): void {
    lender.release();
    throw new Error(`a datagram carries no payload of ${slices.length} slices`);
  }

  charge(): void {}

  requestDone(): void {}
}

import type { Socket } from "bun";
import { within } from "./wait.ts";

/** A bare TCP connection for clients that misbehave: sends any bytes, reads or refuses to. */
export class RawConnection {
  private socket: Socket | null = null;
  private readonly received: Buffer[] = [];
  private closed = false;
  private wake: () => void = () => {};
  private outgoing: Buffer = Buffer.alloc(0);
  receivedBytes = 0;

  /** One that the server closes at once may be closed before this knows that it was open. */
  static async open(port: number): Promise<RawConnection> {
    const self = new RawConnection();
    const connecting = Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, chunk) => {
          self.receivedBytes += chunk.length;
          if (self.receivedBytes <= 4 << 20) self.received.push(Buffer.from(chunk));
          self.wake();
        },
        drain: () => self.flush(),
        close: () => self.ended(),
        error: () => self.ended(),
      },
    });
    self.socket = await connecting.catch((error: { readonly code?: string }) => {
      if (error.code !== "ECONNRESET") throw error;
      self.ended();
      return null;
    });
    return self;
  }

  get open(): boolean {
    return !this.closed;
  }

  /** Bytes the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.outgoing.length;
  }

  /** Everything received so far, at most 4 MiB of it. */
  bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  send(bytes: Uint8Array): void {
    if (this.closed) return;
    this.outgoing = this.outgoing.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.outgoing, bytes]);
    this.flush();
  }

  /** Takes nothing more from the server; what it sends piles up on its side. */
  stopReading(): void {
    this.socket?.pause();
  }

  /** Resolves when `enough` says so or the server has closed; throws after `limitMs`. */
  async wait(what: string, limitMs: number, enough: () => boolean): Promise<void> {
    const loop = async (): Promise<void> => {
      while (!this.closed && !enough()) {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    };
    await within(what, limitMs, loop());
  }

  close(): void {
    this.socket?.terminate();
    this.ended();
  }

  private flush(): void {
    if (this.closed || this.socket === null || this.outgoing.length === 0) return;
    const taken = this.socket.write(this.outgoing);
    if (taken > 0) this.outgoing = this.outgoing.subarray(taken);
    this.wake();
  }

  private ended(): void {
    this.closed = true;
    this.wake();
  }
}

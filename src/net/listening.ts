import type { SocketHandler, TCPSocketListener } from "bun";

export interface ListenAddress {
  readonly bind: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Where a server listens, which can be changed while it serves. */
export class Listening<C> {
  private readonly socket: SocketHandler<C>;
  private address: ListenAddress;
  private listener: TCPSocketListener<C> | null = null;

  constructor(address: ListenAddress, socket: SocketHandler<C>) {
    this.address = address;
    this.socket = socket;
  }

  /** Gives the port. Throws where the address can't be bound. */
  open(): number {
    this.listener = this.listen(this.address);
    return this.listener.port;
  }

  close(): void {
    this.listener?.stop(false);
    this.listener = null;
  }

  isAt({ bind, port }: ListenAddress): boolean {
    return this.listener !== null && this.address.bind === bind && this.listener.port === port;
  }

  /** Listens elsewhere, and only then no longer where it did. Gives the port. Throws where that can't be; all is as before then. */
  move(to: ListenAddress): number {
    const before = this.listener;
    if (before === null) throw new Error("what does not listen can't move");
    const from: ListenAddress = { bind: this.address.bind, port: before.port };
    try {
      this.listener = this.listen(to);
      before.stop(false);
    } catch (error) {
      // One port can't be listened on by both where one's address includes the other's.
      if (to.port !== from.port || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      before.stop(false);
      this.listener = this.listenOr(to, from);
    }
    this.address = to;
    return this.listener.port;
  }

  private listenOr(to: ListenAddress, from: ListenAddress): TCPSocketListener<C> {
    try {
      return this.listen(to);
    } catch (error) {
      this.listener = null;
      try {
        this.listener = this.listen(from);
      } catch (lost) {
        throw new Error(`port ${from.port} can't be listened on at ${to.bind}, and was taken at ${from.bind} meanwhile: start the server anew`, {
          cause: lost,
        });
      }
      throw error;
    }
  }

  private listen({ bind, port }: ListenAddress): TCPSocketListener<C> {
    return Bun.listen<C>({ hostname: bind, port, socket: this.socket });
  }
}

import type { udp } from "bun";
import type { Logger } from "#telemetry/logger.ts";

/** Who gets datagrams; what it returns is sent back, null answers nothing. */
export type DatagramHandler = (bytes: Uint8Array, address: string) => Uint8Array | null;

export interface DatagramServerOptions {
  readonly bind: string;
  readonly port: number;
  readonly logger: Logger;
  readonly handler: DatagramHandler;
}

/** A UDP socket whose every datagram is a request answered at once or not at all. */
export class DatagramServer {
  private readonly options: DatagramServerOptions;
  private socket: udp.Socket<"buffer"> | null = null;

  constructor(options: DatagramServerOptions) {
    this.options = options;
  }

  async start(): Promise<number> {
    const { handler, logger } = this.options;
    this.socket = await Bun.udpSocket({
      hostname: this.options.bind,
      port: this.options.port,
      socket: {
        data(socket, bytes, port, address) {
          const reply = handler(bytes, address);
          // A datagram the kernel has no room for is lost, as datagrams may be: the client asks again.
          if (reply !== null) socket.send(reply, port, address);
        },
        error(_socket, error) {
          logger.warn({ error }, "a datagram could not be received or sent");
        },
      },
    });
    return this.socket.port;
  }

  stop(): void {
    this.socket?.close();
    this.socket = null;
  }
}

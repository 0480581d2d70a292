import { type Server, type Socket, connect, createServer } from "node:net";

/** What happens to the connection when the client sends the word it watches for. */
export type Fate = "cut before" | "cut after the answer" | "silence";

/** Between a client and PostgreSQL: hands everything on until a client sends a word (as `commit`) for the n-th time. */
export class Proxy {
  readonly port: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private watched: { readonly word: string; readonly fate: Fate; left: number } | null = null;
  /** How often something happened. */
  struck = 0;

  private constructor(server: Server, port: number) {
    this.server = server;
    this.port = port;
  }

  static async to(target: number): Promise<Proxy> {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    const proxy = new Proxy(server, port);
    server.on("connection", (client) => proxy.join(client, connect({ host: "127.0.0.1", port: target })));
    return proxy;
  }

  /** The next `times` times a client sends `word`, this comes over its connection. */
  watch(word: string, fate: Fate, times = 1): void {
    this.watched = { word, fate, left: times };
  }

  private join(client: Socket, upstream: Socket): void {
    let fate: Fate | null = null;
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.sockets.delete(socket);
        if (fate !== "silence") end();
      });
    }
    client.on("data", (bytes: Buffer) => {
      const { watched } = this;
      if (watched !== null && watched.left > 0 && bytes.includes(watched.word)) {
        watched.left--;
        this.struck++;
        fate = watched.fate;
        if (fate === "cut before") return end();
      }
      if (fate !== "silence") upstream.write(bytes);
    });
    upstream.on("data", (bytes: Buffer) => {
      if (fate === "cut after the answer") return end();
      if (fate === null) client.write(bytes);
    });
  }

  /** Ends all connections there are, without a good-bye. */
  reset(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** A server that says the same to everybody who says something first; null: nothing at all, "": good-bye. */
export async function saying(answer: string | null): Promise<{ readonly port: number; readonly heard: Promise<void>; close(): void }> {
  const sockets = new Set<Socket>();
  const heard = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", () => {
      heard.resolve();
      if (answer === "") socket.destroy();
      else if (answer !== null) socket.write(answer);
    });
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  return {
    port,
    heard: heard.promise,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

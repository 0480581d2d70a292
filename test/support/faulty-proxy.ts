import { connect, createServer, type Server, type Socket } from "node:net";
import { after } from "./wait.ts";

/** What the proxy is asked about: a request's head. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: string;
  /** Requests before this one, on all connections. */
  readonly number: number;
}

/** What becomes of a request. Bytes of a reply count from its first byte, head included. */
export type Fault =
  | { readonly kind: "pass"; readonly delayMs?: number }
  /** The connection is cut before the server hears of it. */
  | { readonly kind: "cut" }
  /** The server gets so many bytes of the request, then both connections are cut. */
  | { readonly kind: "cutRequest"; readonly bytes: number }
  /** The server does what it is asked, and nobody hears of it. */
  | { readonly kind: "loseReply" }
  /** So many bytes of the reply arrive, then the connection is cut. */
  | { readonly kind: "cutReply"; readonly bytes: number }
  /** So many bytes of the reply arrive, and then no more, while the connection stays. */
  | { readonly kind: "stallReply"; readonly bytes: number }
  /** The proxy answers with an error of S3's (`more`: elements in it), and the server hears nothing. */
  | { readonly kind: "answer"; readonly status: number; readonly code: string; readonly more?: string }
  /** Something is done first, and then the server hears of the request. */
  | { readonly kind: "first"; readonly run: () => Promise<unknown> }
  /** The reply's text is changed before it arrives. */
  | { readonly kind: "rewrite"; readonly change: (reply: Buffer) => Buffer };

export type Plan = (request: SeenRequest) => Fault;

export interface FaultyProxy {
  readonly port: number;
  readonly endpoint: string;
  /** Requests seen. */
  readonly requests: readonly SeenRequest[];
  /** Most requests that were on their way at a time. */
  readonly busyMax: number;
  /** Requests that are on their way: no reply has begun. */
  readonly busy: number;
  /** From now on. */
  plan: Plan;
  close(): Promise<void>;
}

const pass: Plan = () => ({ kind: "pass" });

/** A proxy on loopback before an HTTP server, that does to each request what a plan says. */
export async function faultyProxy(port: number, plan: Plan = pass): Promise<FaultyProxy> {
  const proxy = new Proxy_(port, plan);
  await proxy.listen();
  return proxy;
}

class Proxy_ implements FaultyProxy {
  plan: Plan;
  port = 0;
  busyMax = 0;
  busy = 0;
  readonly requests: SeenRequest[] = [];
  readonly to: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(to: number, plan: Plan) {
    this.to = to;
    this.plan = plan;
    this.server = createServer((socket) => new Relay(this, socket));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(0, "127.0.0.1", () => {
        const address = this.server.address();
        this.port = typeof address === "object" && address !== null ? address.port : 0;
        resolve();
      });
    });
  }

  keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.once("close", () => this.sockets.delete(socket));
    socket.on("error", () => {});
  }

  enter(head: string): Fault {
    const [method = "", target = ""] = head.split(" ", 2);
    const request = { method, target, headers: head, number: this.requests.length };
    this.requests.push(request);
    this.busyMax = Math.max(this.busyMax, ++this.busy);
    return this.plan(request);
  }

  leave(): void {
    this.busy--;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

/** One connection of a client and its counterpart to the server; one request at a time. */
class Relay {
  private readonly proxy: Proxy_;
  private readonly client: Socket;
  private server: Socket | null = null;
  private head = Buffer.alloc(0);
  /** Bytes of the present request's body yet to come. */
  private left = 0;
  private sentBytes = 0;
  private repliedBytes = 0;
  /** Of a reply that is rewritten: what has come of it. */
  private collected = Buffer.alloc(0);
  private bodyless = false;
  private inRequest = false;
  private fault: Fault = { kind: "pass" };
  /** When the server may hear of the present request, of one that waits for something. */
  private ready: Promise<unknown> = Promise.resolve();
  /** Replies are relayed after what went before them. */
  private order: Promise<void> = Promise.resolve();

  constructor(proxy: Proxy_, client: Socket) {
    this.proxy = proxy;
    this.client = client;
    proxy.keep(client);
    client.setNoDelay(true);
    client.on("data", (bytes: Buffer) => this.request(bytes));
    client.once("close", () => {
      this.leave();
      this.server?.destroy();
    });
  }

  private leave(): void {
    if (this.inRequest) this.proxy.leave();
    this.inRequest = false;
  }

  private request(bytes: Buffer): void {
    let rest = bytes;
    while (rest.byteLength > 0 && !this.client.destroyed) {
      if (this.left > 0) {
        const part = rest.subarray(0, this.left);
        this.left -= part.byteLength;
        rest = rest.subarray(part.byteLength);
        this.forward(part);
        if (this.left === 0) this.requestEnds();
        continue;
      }
      this.head = Buffer.concat([this.head, rest]);
      const end = this.head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = this.head.subarray(0, end + 4);
      rest = this.head.subarray(end + 4);
      this.head = Buffer.alloc(0);
      this.begins(head);
    }
  }

  private begins(head: Buffer): void {
    this.leave();
    const text = head.toString("latin1");
    this.fault = this.proxy.enter(text);
    this.inRequest = true;
    this.left = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    this.sentBytes = 0;
    this.repliedBytes = 0;
    this.collected = Buffer.alloc(0);
    this.bodyless = text.startsWith("HEAD ");
    if (this.fault.kind === "cut") return void this.client.destroy();
    if (this.fault.kind === "first") this.ready = this.fault.run();
    this.forward(head);
    if (this.left === 0) this.requestEnds();
  }

  private forward(bytes: Buffer): void {
    const { fault } = this;
    if (fault.kind === "answer") return;
    if (fault.kind === "cutRequest") {
      const part = bytes.subarray(0, Math.max(0, fault.bytes - this.sentBytes));
      this.sentBytes += part.byteLength;
      if (part.byteLength > 0) this.toServer().write(part);
      if (this.sentBytes >= fault.bytes) {
        this.client.destroy();
        this.server?.end();
      }
      return;
    }
    if (fault.kind === "first") void this.ready.then(() => this.toServer().write(bytes), () => this.client.destroy());
    else this.toServer().write(bytes);
  }

  private requestEnds(): void {
    if (this.fault.kind !== "answer") return;
    const { status, code, more = "" } = this.fault;
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>said by a test</Message>${more}</Error>`;
    this.client.write(`HTTP/1.1 ${status} Fault\r\ncontent-type: application/xml\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    this.leave();
  }

  private toServer(): Socket {
    if (this.server !== null && !this.server.destroyed) return this.server;
    const server = connect(this.proxy.to, "127.0.0.1");
    this.server = server;
    this.proxy.keep(server);
    server.setNoDelay(true);
    server.on("data", (bytes: Buffer) => {
      const { fault } = this;
      this.order = this.order.then(() => this.reply(bytes, fault));
    });
    server.once("close", () => {
      if (this.fault.kind !== "answer") this.order = this.order.then(() => void this.client.destroy());
    });
    return server;
  }

  private async reply(bytes: Buffer, fault: Fault): Promise<void> {
    const first = this.repliedBytes === 0;
    if (first) this.leave();
    const before = this.repliedBytes;
    this.repliedBytes += bytes.byteLength;
    if (fault.kind === "first") {
      this.client.write(bytes);
    } else if (fault.kind === "pass") {
      if (first && fault.delayMs !== undefined) await after(fault.delayMs);
      this.client.write(bytes);
    } else if (fault.kind === "loseReply") {
      this.client.destroy();
    } else if (fault.kind === "cutReply" || fault.kind === "stallReply") {
      this.client.write(bytes.subarray(0, Math.max(0, fault.bytes - before)));
      if (fault.kind === "cutReply" && this.repliedBytes >= fault.bytes) this.client.end();
    } else if (fault.kind === "rewrite") {
      // Whole: pieces would each be changed, and what is left of it would be taken for the next request's.
      this.collected = Buffer.concat([this.collected, bytes]);
      if (isWhole(this.collected, this.bodyless)) this.client.write(fault.change(this.collected));
    }
  }
}

/** Whether this is all of an HTTP reply. */
function isWhole(reply: Buffer, bodyless: boolean): boolean {
  const end = reply.indexOf("\r\n\r\n");
  if (end < 0) return false;
  if (bodyless) return true;
  const head = reply.subarray(0, end).toString("latin1");
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return reply.subarray(end).toString("latin1").endsWith("\r\n0\r\n\r\n");
  return reply.byteLength - end - 4 >= Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
}

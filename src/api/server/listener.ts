import type { Server as HttpServer } from "node:http";
import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import { type SecureContext, TLSSocket, createSecureContext } from "node:tls";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Api } from "./api.ts";
import { type TlsFiles, type TlsMaterial, fingerprint, readTls, sameTls } from "./certificate.ts";
import { Connections, type ConnectionStats } from "./connections.ts";
import { type Caller, createHttp } from "./http.ts";
import { limits } from "./limits.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly tls: TlsFiles | null;
  readonly api: Api;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many connections are held at once; what is above is closed. */
  readonly connectionsMax: number;
  /** What it is to an operator who reads why it can't listen; absent: the REST interface. */
  readonly named?: ListenerName;
}

/** What listens, and the section of the configuration that says where. */
export interface ListenerName {
  readonly what: string;
  readonly section: string;
}

const restInterface: ListenerName = { what: "the REST interface", section: "controlplane" };

export interface ApiListener {
  readonly address: string;
  readonly port: number;
  /** Where the interface is reached from this machine. */
  readonly url: string;
  stats(): ConnectionStats;
  /** Reads the certificate files again, as the polling does when they change. False: what was served before is served on; the log says why. */
  reloadCertificate(): Promise<boolean>;
  /** Takes no more connections and calls, waits for those in hand for at most `deadlineMs`, closes. */
  stop(deadlineMs: number): Promise<void>;
}

/** The address can't be listened on; the message says why and what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Serves the interface. Throws ListenError, CertificateError. */
export async function listenApi(options: ListenOptions): Promise<ApiListener> {
  const material = options.tls === null ? null : await readTls(options.tls);
  const listener = new Listener(options, material);
  await listener.open();
  listener.watch();
  return listener;
}

class Listener implements ApiListener {
  readonly address: string;
  /** Known once it is open. */
  port = 0;
  private readonly options: ListenOptions;
  private material: TlsMaterial | null;
  private context: SecureContext | null;
  private readonly server: Server;
  private readonly connections: Connections;
  private readonly http: HttpServer;
  /** Whose each stream of HTTP is. */
  private readonly callers = new WeakMap<Socket, Caller>();
  private reloading: Promise<boolean> | null = null;
  private stopped = false;
  /** Of the files when they were last read. */
  private seen = "";

  constructor(options: ListenOptions, material: TlsMaterial | null) {
    this.options = options;
    this.material = material;
    this.context = material === null ? null : contextOf(material);
    this.address = options.host;
    this.connections = new Connections(options.connectionsMax, options.clock);
    this.http = createHttp(options.api, this.connections, ({ socket }) => this.callers.get(socket));
    this.server = createServer({ noDelay: true }, (socket) => this.accepted(socket));
  }

  get url(): string {
    return `${this.material === null ? "http" : "https"}://${hostPort(reachable(this.address), this.port)}`;
  }

  async open(): Promise<void> {
    const { host, port } = this.options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.server.once("error", reject);
        this.server.listen({ host, port }, resolve);
      });
    } catch (error) {
      throw listenError(host, port, this.options.named ?? restInterface, error);
    }
    this.port = (this.server.address() as AddressInfo).port;
    this.server.on("error", (error) => this.options.logger.error({ reason: error.message }, `the listener of ${(this.options.named ?? restInterface).what} failed`));
    if (this.material !== null) this.warnOfExpiry(this.material);
  }

  stats(): ConnectionStats {
    return this.connections.stats();
  }

  private accepted(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const connection = this.connections.add(socket);
    if (connection === null) return;
    const stream = this.context === null ? socket : this.secured(socket, this.context);
    this.callers.set(stream, { connection, address: addressOf(socket.remoteAddress) });
    socket.once("close", () => this.connections.forget(connection));
    this.http.emit("connection", stream);
  }

  /** The certificate is the one there is when the connection comes: another does not disturb it. */
  private secured(socket: Socket, secureContext: SecureContext): Socket {
    const mutual = this.material?.clientCa === null ? {} : { requestCert: true, rejectUnauthorized: true };
    const stream = new TLSSocket(socket, { isServer: true, secureContext, ...mutual });
    stream.on("error", () => socket.destroy());
    return stream;
  }

  watch(): void {
    const { tls, clock } = this.options;
    if (tls === null || this.stopped) return;
    void fingerprint(tls).then((now) => {
      const changed = this.seen !== "" && now !== this.seen;
      if (this.seen === "") this.seen = now;
      const next = changed ? this.reloadCertificate() : Promise.resolve(true);
      void next.then(() => clock.after(limits.certificatePollMs, () => this.watch()));
    });
  }

  reloadCertificate(): Promise<boolean> {
    this.reloading ??= this.reload().finally(() => {
      this.reloading = null;
    });
    return this.reloading;
  }

  private async reload(): Promise<boolean> {
    const { tls, logger } = this.options;
    if (tls === null || this.material === null) return true;
    try {
      this.seen = await fingerprint(tls);
      const material = await readTls(tls);
      if (this.stopped || sameTls(material, this.material)) return true;
      this.context = contextOf(material);
      this.material = material;
      this.warnOfExpiry(material);
      logger.info({ file: tls.certFile, expires: new Date(material.expiresAt).toISOString() }, "the REST interface serves the new certificate");
      return true;
    } catch (error) {
      logger.error({ file: tls.certFile, reason: error instanceof Error ? error.message : String(error) }, "the REST interface keeps the certificate it had: the new one can't be used");
      return false;
    }
  }

  private warnOfExpiry(material: TlsMaterial): void {
    if (material.expiresAt < this.options.clock.now().sec * 1000) this.options.logger.warn({ file: this.options.tls?.certFile, expired: new Date(material.expiresAt).toISOString() }, "the certificate of the REST interface has expired: clients will refuse it");
  }

  async stop(deadlineMs: number): Promise<void> {
    this.stopped = true;
    this.server.close();
    const drained = Promise.all([this.options.api.close(), this.connections.drain()]);
    let timer = { cancel() {} };
    const late = new Promise<void>((resolve) => {
      timer = this.options.clock.after(deadlineMs, resolve);
    });
    await Promise.race([drained, late]);
    timer.cancel();
    this.connections.closeAll();
  }
}

function contextOf({ key, cert, clientCa }: TlsMaterial): SecureContext {
  return createSecureContext({ key, cert, ...(clientCa === null ? {} : { ca: clientCa }) });
}

function listenError(host: string, port: number, { what, section }: ListenerName, error: unknown): ListenError {
  const code = (error as { readonly code?: unknown } | null)?.code;
  const where = `cannot listen on ${hostPort(host, port)} for ${what}`;
  if (code === "EADDRINUSE") return new ListenError(`${where}: something else does. Stop it, or set ${section}.port.`);
  if (code === "EACCES") return new ListenError(`${where}: ports below 1024 need a privilege. Set ${section}.port.`);
  if (code === "EADDRNOTAVAIL") return new ListenError(`${where}: this machine has no such address. Set ${section}.host.`);
  return new ListenError(`${where}: ${error instanceof Error ? error.message : String(error)}`);
}

function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function reachable(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

/** An IPv4 client of an IPv6 socket is shown as what it is. */
function addressOf(address: string | undefined): string {
  return (address ?? "unknown").replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, "");
}

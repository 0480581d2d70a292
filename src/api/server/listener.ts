import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Api } from "./api.ts";
import { type TlsFiles, type TlsMaterial, fingerprint, readTls, sameTls } from "./certificate.ts";
import { limits } from "./limits.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly tls: TlsFiles | null;
  readonly api: Api;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ApiListener {
  readonly address: string;
  readonly port: number;
  /** Where the interface is reached from this machine. */
  readonly url: string;
  /** Reads the certificate files again, as the polling does when they change. False: what was served before is served on; the log says why. */
  reloadCertificate(): Promise<boolean>;
  /** Takes no more connections and calls, waits for those in hand for at most `deadlineMs`, closes. */
  stop(deadlineMs: number): Promise<void>;
}

/** The address can't be listened on; the message says why and what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

type Server = ReturnType<typeof Bun.serve>;

/** Serves the interface. Throws ListenError, CertificateError. */
export async function listenApi(options: ListenOptions): Promise<ApiListener> {
  const material = options.tls === null ? null : await readTls(options.tls);
  const listener = new Listener(options, material);
  listener.watch();
  return listener;
}

class Listener implements ApiListener {
  readonly address: string;
  readonly port: number;
  readonly url: string;
  private readonly options: ListenOptions;
  private material: TlsMaterial | null;
  private current: Server;
  /** Those that still serve connections from before a change of certificate, too. */
  private readonly servers = new Set<Server>();
  private reloading: Promise<boolean> | null = null;
  private stopped = false;
  /** Of the files when they were last read. */
  private seen = "";

  constructor(options: ListenOptions, material: TlsMaterial | null) {
    this.options = options;
    this.material = material;
    // With reusePort a second server on the port would go unnoticed, so that the port is tried without it first.
    if (material !== null && options.port !== 0) probe(options.host, options.port);
    this.current = this.open(options.port, material);
    this.address = options.host;
    this.port = this.current.port as number;
    this.url = `${material === null ? "http" : "https"}://${hostPort(reachable(options.host), this.port)}`;
    if (material !== null) this.warnOfExpiry(material);
  }

  private open(port: number, material: TlsMaterial | null): Server {
    const { api, host } = this.options;
    let server: Server;
    try {
      server = Bun.serve({
        hostname: host,
        port,
        development: false,
        idleTimeout: limits.idleSec,
        // The interface has a bound of its own, and answers what is above it with a problem document; Bun's would close the connection.
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        // Said either way: left out, Bun lets a second server of this process have the port, too.
        reusePort: material !== null,
        ...(material === null ? {} : { tls: tlsOf(material) }),
        fetch: (request, at) => api.fetch(request, { address: addressOf(at.requestIP(request)?.address), unhurried: () => at.timeout(request, 0) }),
        error: () => new Response(null, { status: 500 }),
      });
    } catch (error) {
      throw listenError(host, port, error);
    }
    this.servers.add(server);
    return server;
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
      this.swap(material);
      this.warnOfExpiry(material);
      logger.info({ file: tls.certFile, expires: new Date(material.expiresAt).toISOString() }, "the REST interface serves the new certificate");
      return true;
    } catch (error) {
      logger.error({ file: tls.certFile, reason: error instanceof Error ? error.message : String(error) }, "the REST interface keeps the certificate it had: the new one can't be used");
      return false;
    }
  }

  /** Bun keeps the old certificate on reload, so that a second listener is opened on the port before the first stops accepting. */
  private swap(material: TlsMaterial): void {
    const old = this.current;
    this.current = this.open(this.port, material);
    this.material = material;
    void old.stop().then(() => this.servers.delete(old));
  }

  private warnOfExpiry(material: TlsMaterial): void {
    if (material.expiresAt < this.options.clock.now().sec * 1000) this.options.logger.warn({ file: this.options.tls?.certFile, expired: new Date(material.expiresAt).toISOString() }, "the certificate of the REST interface has expired: clients will refuse it");
  }

  async stop(deadlineMs: number): Promise<void> {
    this.stopped = true;
    const drained = Promise.all([this.options.api.close(), ...[...this.servers].map((server) => server.stop())]);
    let timer = { cancel() {} };
    const late = new Promise<void>((resolve) => {
      timer = this.options.clock.after(deadlineMs, resolve);
    });
    await Promise.race([drained, late]);
    timer.cancel();
    await Promise.all([...this.servers].map((server) => server.stop(true)));
  }
}

function tlsOf(material: TlsMaterial): { key: string; cert: string; ca?: string; requestCert?: boolean; rejectUnauthorized?: boolean } {
  const own = { key: material.key, cert: material.cert };
  return material.clientCa === null ? own : { ...own, ca: material.clientCa, requestCert: true, rejectUnauthorized: true };
}

function probe(host: string, port: number): void {
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true);
  } catch (error) {
    throw listenError(host, port, error);
  }
}

function listenError(host: string, port: number, error: unknown): ListenError {
  const code = (error as { readonly code?: unknown } | null)?.code;
  const where = hostPort(host, port);
  if (code === "EADDRINUSE") return new ListenError(`cannot listen on ${where} for the REST interface: something else does. Stop it, or set controlplane.port.`);
  if (code === "EACCES") return new ListenError(`cannot listen on ${where} for the REST interface: ports below 1024 need a privilege. Set controlplane.port.`);
  if (code === "EADDRNOTAVAIL") return new ListenError(`cannot listen on ${where} for the REST interface: this machine has no such address. Set controlplane.host.`);
  return new ListenError(`cannot listen on ${where} for the REST interface: ${error instanceof Error ? error.message : String(error)}`);
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

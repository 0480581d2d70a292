import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./ports.ts";
import { until, within } from "./wait.ts";

const programs = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool"];

/** Why no S3 server can be started here, or null. */
export const missingRadosgw: string | null = programs.every((name) => existsSync(join("/usr/bin", name)))
  ? null
  : "needs Debian's packages radosgw, ceph-mon, ceph-osd and ceph-common";

export interface S3ServerOptions {
  /** Bytes of memory for the objects; a full one hangs requests. */
  readonly bytesMax?: number;
  /** Where each attempt to start listens: the gateway, the monitor with its two protocols, the gateway's TLS. Free ones unless told. */
  readonly ports?: (attempt: number) => Promise<readonly number[]>;
}

/**
 * Ceph's S3 gateway over a monitor and one object store in memory, of our own: on loopback, on free ports, in a temporary directory.
 * The gateway can be killed and started again; the objects stay.
 */
export interface S3Server {
  readonly endpoint: string;
  readonly port: number;
  /** The same over TLS, for localhost; `rootCert` signed it. */
  readonly tlsEndpoint: string;
  readonly rootCert: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Its processes at present. */
  readonly pids: readonly number[];
  /** A name no bucket of this server has yet. */
  bucketName(): string;
  /** The path of a file that goes when the server does. */
  file(name: string): string;
  /** Runs radosgw-admin. */
  admin(...command: readonly string[]): Promise<string>;
  /** Ends the gateway as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again; resolves when it answers. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A block store's configuration for a bucket, which is made when it isn't there. */
export function bucketConfig({ endpoint, credentials }: Pick<S3Server, "endpoint" | "credentials">, bucket: string) {
  return { bucket, endpoint, access_key: credentials.accessKeyId, secret_key: credentials.secretAccessKey, create_bucket: true };
}

let shared: Promise<PrivateS3> | null = null;

/** The server all tests of this process share; it ends with the process. One that did not start is not what later tests get, too. */
export async function sharedS3(): Promise<S3Server> {
  const server = await sharedOrNew();
  if (await server.isAlive()) return server;
  // The test runner kills every process when a test takes too long; the others need not fail for it.
  shared = null;
  return await sharedOrNew();
}

function sharedOrNew(): Promise<PrivateS3> {
  shared ??= start({}).catch((error: unknown) => {
    shared = null;
    throw error;
  });
  return shared;
}

/** Ceph's programs take a second or two each, or hang: where the machine is busy, and where somebody took a port that was free. */
const stepMsMax = 20_000;
const attemptMsMax = 45_000;
const attemptsMax = 3;

/** What a hook that starts a server has to allow. */
export const s3StartMsMax = 180_000;

/** Makes a server and starts it, anew on other ports where that hangs or fails. Whoever calls this and not `sharedS3` stops it. */
export async function startS3(options: S3ServerOptions = {}): Promise<S3Server> {
  return await start(options);
}

async function start(options: S3ServerOptions): Promise<PrivateS3> {
  if (missingRadosgw !== null) throw new Error(missingRadosgw);
  for (let attempt = 1; ; attempt++) {
    const directory = mkdtempSync(join(tmpdir(), "dittofs-s3-"));
    const server = new PrivateS3(directory, await (options.ports?.(attempt) ?? freePorts(4)));
    try {
      await within("a start of the S3 server", attemptMsMax, server.make(options.bytesMax ?? 4 * 2 ** 30), 1);
      return server;
    } catch (error) {
      await server.stop();
      if (attempt >= attemptsMax) throw error;
      console.log(`an S3 server did not start, another is: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/**
 * Removes the directory when this process has ended, in whatever way. In the background, since the test runner kills its children
 * when a test takes too long.
 */
const sweeper = '(while kill -0 "$1" && [ -d "$0" ]; do sleep 1; done; sleep 1; rm -rf "$0") >/dev/null 2>&1 </dev/null &';

class PrivateS3 implements S3Server {
  readonly endpoint: string;
  readonly port: number;
  readonly tlsEndpoint: string;
  readonly rootCert: string;
  readonly credentials = { accessKeyId: "test", secretAccessKey: "testsecret" };
  private readonly directory: string;
  private readonly ports: readonly number[];
  private readonly daemons: ChildProcess[] = [];
  private gateway: ChildProcess | null = null;
  private buckets = 0;
  private stopped = false;
  /** Rejected when the monitor or the object store ends: Ceph's programs would wait for it for ever. */
  private readonly died = Promise.withResolvers<never>();
  private files = 0;

  constructor(directory: string, ports: readonly number[]) {
    this.directory = directory;
    this.ports = ports;
    this.port = ports[0] ?? 0;
    this.endpoint = `http://127.0.0.1:${this.port}`;
    this.tlsEndpoint = `https://localhost:${ports[3] ?? 0}`;
    this.rootCert = join(directory, "root.crt");
    this.died.promise.catch(() => {});
    spawn("sh", ["-c", sweeper, directory, String(process.pid)], { stdio: "ignore" }).unref();
  }

  /** It answers, or was told not to. */
  async isAlive(): Promise<boolean> {
    if (this.gateway === null) return true;
    return await fetch(this.endpoint).then(
      () => true,
      () => false,
    );
  }

  get pids(): readonly number[] {
    return [...this.daemons, this.gateway].flatMap((daemon) => (daemon?.pid === undefined ? [] : [daemon.pid]));
  }

  file(name: string): string {
    return join(this.directory, `test-${++this.files}-${name}`);
  }

  bucketName(): string {
    return `bucket-${++this.buckets}`;
  }

  async make(bytesMax: number): Promise<void> {
    for (const name of ["run", "log", "mon", "osd", "rgw"]) mkdirSync(join(this.directory, name));
    const cluster = randomUUID();
    writeFileSync(join(this.directory, "ceph.conf"), this.configuration(cluster, bytesMax));
    await this.makeCertificate();
    await this.startMonitor(cluster);
    const osd = randomUUID();
    await this.run("ceph", "osd", "new", osd);
    await this.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd);
    this.watch("ceph-osd", this.daemon("ceph-osd", "-f", "-i", "0"));
    await this.run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h");
    await this.start();
    const { accessKeyId, secretAccessKey } = this.credentials;
    await this.admin("user", "create", "--uid=test", "--display-name=test", `--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`);
  }

  private async startMonitor(cluster: string): Promise<void> {
    const keyring = join(this.directory, "keyring");
    const caps: readonly (readonly [string, ...string[]])[] = [
      ["mon.", "mon", "allow *"],
      ["client.admin", "mon", "allow *", "osd", "allow *", "mgr", "allow *"],
      ["osd.0", "mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"],
      ["client.rgw", "mon", "allow rwx", "osd", "allow rwx"],
    ];
    for (const [index, [name, ...granted]] of caps.entries()) {
      const flags = granted.flatMap((word, at) => (at % 2 === 0 ? ["--cap", word] : [word]));
      await this.run("ceph-authtool", ...(index === 0 ? ["--create-keyring"] : []), keyring, "--gen-key", "-n", name, ...flags);
    }
    const map = join(this.directory, "monmap");
    const address = `[v2:127.0.0.1:${this.ports[1]},v1:127.0.0.1:${this.ports[2]}]`;
    await this.run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, map);
    await this.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", map, "--keyring", keyring);
    this.watch("ceph-mon", this.daemon("ceph-mon", "-f", "-i", "a", "--public-addr", "127.0.0.1"));
  }

  private configuration(cluster: string, bytesMax: number): string {
    const at = this.directory;
    const tls = `ssl_endpoint=127.0.0.1:${this.ports[3]} ssl_certificate=${at}/server.crt ssl_private_key=${at}/server.key`;
    return `[global]
fsid = ${cluster}
mon host = [v2:127.0.0.1:${this.ports[1]},v1:127.0.0.1:${this.ports[2]}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth allow insecure global id reclaim = true
run dir = ${at}/run
admin socket =
pid file =
log file = ${at}/log/$name.log
crash dir = ${at}/run
keyring = ${at}/keyring
mon data = ${at}/mon
mon pg warn min per osd = 0
mon osd full ratio = .99
mon data avail crit = 1
mon data avail warn = 2
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
paxos propose interval = 0.05
osd data = ${at}/osd
osd objectstore = memstore
memstore device bytes = ${bytesMax}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd max object name len = 2048
ms bind ipv6 = false
rgw data = ${at}/rgw
rgw dns name = localhost
rgw frontends = beast endpoint=127.0.0.1:${this.port} tcp_nodelay=1 ${tls}
rgw dynamic resharding = false
rgw enable usage log = false
rgw thread pool size = 64
rgw gc obj min wait = 1
rgw gc processor period = 2
rgw gc processor max time = 2
`;
  }

  /** An authority and a certificate of it for localhost, made on the spot. */
  private async makeCertificate(): Promise<void> {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    writeFileSync(join(this.directory, "server.ext"), "subjectAltName=DNS:localhost\n");
    await this.program("openssl", "req", "-x509", ...key, "-days", "2", "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.crt");
    await this.program("openssl", "req", ...key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr");
    const sign = ["-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-days", "2", "-extfile", "server.ext"];
    await this.program("openssl", "x509", "-req", "-in", "server.csr", ...sign, "-out", "server.crt");
  }

  /** One of Ceph's programs, with our configuration. */
  private run(name: string, ...command: readonly string[]): Promise<string> {
    const withoutConfiguration = name === "ceph-authtool" || name === "monmaptool";
    return this.program(name, ...(withoutConfiguration ? [] : ["-c", join(this.directory, "ceph.conf")]), ...command);
  }

  private async program(...command: readonly string[]): Promise<string> {
    this.mustNotBeStopped();
    const running = Bun.spawn([...command], { cwd: this.directory, env: this.environment(), stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const texts = Promise.all([new Response(running.stdout).text(), new Response(running.stderr).text(), running.exited]);
    const [out, err, status] = await within(command.join(" "), stepMsMax, Promise.race([texts, this.died.promise])).finally(() => running.kill("SIGKILL"));
    if (status !== 0) throw new Error(`${command.join(" ")}: status ${status}: ${err || out}`);
    return out;
  }

  /** A start that was given up may still be at its next step. */
  private mustNotBeStopped(): void {
    if (this.stopped) throw new Error("the S3 server was stopped");
  }

  private environment(): Record<string, string> {
    return { PATH: process.env["PATH"] ?? "", HOME: this.directory, LC_ALL: "C.UTF-8", CEPH_CONF: join(this.directory, "ceph.conf") };
  }

  /** Ends with this process, in whatever way it ends. */
  private daemon(name: string, ...command: readonly string[]): ChildProcess {
    this.mustNotBeStopped();
    const log = openSync(join(this.directory, "log", `${name}.out`), "a", 0o600);
    const all = ["--pdeathsig=KILL", name, "-c", join(this.directory, "ceph.conf"), ...command];
    const started = spawn("setpriv", all, { cwd: this.directory, stdio: ["ignore", log, log], env: this.environment() });
    closeSync(log);
    // It is no reason for this process to go on.
    started.unref();
    return started;
  }

  private watch(name: string, daemon: ChildProcess): void {
    this.daemons.push(daemon);
    daemon.once("exit", (code) => this.died.reject(new Error(`${name} ended with ${code}`)));
  }

  async start(): Promise<void> {
    if (this.gateway !== null) return;
    const gateway = this.daemon("radosgw", "-f", "-n", "client.rgw");
    this.gateway = gateway;
    await until("the S3 server to answer", stepMsMax, async () => {
      this.mustNotBeStopped();
      if (gateway.exitCode !== null) throw new Error(`radosgw ended with ${gateway.exitCode}:\n${readFileSync(join(this.directory, "log/radosgw.out"), "utf8")}`);
      return await fetch(this.endpoint).catch(() => null);
    });
  }

  admin(...command: readonly string[]): Promise<string> {
    return this.run("radosgw-admin", ...command);
  }

  async kill(): Promise<void> {
    const gateway = this.gateway;
    this.gateway = null;
    if (gateway !== null) await end(gateway);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.kill();
    for (const daemon of this.daemons.splice(0).reverse()) await end(daemon);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => daemon.once("exit", () => resolve()));
  daemon.ref();
  daemon.kill("SIGKILL");
  await within("a daemon to end", 30_000, ended);
}

import { SQL } from "bun";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./ports.ts";
import { until, within } from "./wait.ts";

/** Where Debian puts each major version's programs. */
const versions = "/usr/lib/postgresql";
const superuser = "postgres";

export interface ClusterOptions {
  /** Whether what was committed survives a power cut: costs time, and only tests of that need it. */
  readonly fsync?: boolean;
}

export interface DatabaseLogin {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** A PostgreSQL server of our own: on loopback, on a free port, in a temporary directory, with passwords and TLS. */
export interface Cluster {
  readonly port: number;
  readonly directory: string;
  /** Certificate of the authority that signed the server's, which is for localhost but not for 127.0.0.1. */
  readonly rootCert: string;
  /** The certificate of an authority that signed nothing here. */
  readonly otherRootCert: string;
  /** A new, empty database with an owner of its own. */
  database(): Promise<DatabaseLogin>;
  /** Runs SQL as the superuser, in the database "postgres" unless told. */
  sql(text: string, database?: string): Promise<readonly Record<string, unknown>[]>;
  restart(): Promise<void>;
  /** Stops it in an orderly way; `start` brings it back. */
  pause(): Promise<void>;
  /** Kills it (SIGKILL): its next start recovers. */
  crash(): Promise<void>;
  /** Starts it after one of these. */
  resume(): Promise<void>;
  stop(): Promise<void>;
}

let shared: Promise<Cluster> | null = null;

/** Why no server can be started here, or null. */
export const missingPostgres: string | null = binaries() === null ? "needs Debian's package postgresql" : null;

/** The server all tests of this process share; it ends with the process. */
export function sharedCluster(): Promise<Cluster> {
  shared ??= startCluster();
  return shared;
}

function binaries(): string | null {
  if (!existsSync(versions)) return null;
  const newest = readdirSync(versions).sort((a, b) => Number(b) - Number(a)).find((version) => existsSync(join(versions, version, "bin/postgres")));
  return newest === undefined ? null : join(versions, newest, "bin");
}

/** The server refuses to run as root. */
function unprivileged(): { readonly prefix: readonly string[]; readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const line = /^(?:postgres|nobody):[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (line === null) throw new Error("neither a user postgres nor a user nobody to run the server as");
  const [uid, gid] = [Number(line[1]), Number(line[2])];
  return { prefix: ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"], uid, gid };
}

function run(command: readonly string[], cwd: string): void {
  const { exitCode, stderr } = Bun.spawnSync([...command], { cwd, env: { PATH: process.env["PATH"] ?? "", HOME: cwd, LC_ALL: "C.UTF-8" } });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

/** An authority and a certificate of it for localhost, made on the spot; another authority that signed nothing. */
function makeCertificates(directory: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (const name of ["root", "other-root"]) {
    run(["openssl", "req", "-x509", ...key, "-days", "2", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.crt`], directory);
  }
  run(["openssl", "req", ...key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"], directory);
  writeFileSync(join(directory, "server.ext"), "subjectAltName=DNS:localhost\n");
  run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-days", "2", "-extfile", "server.ext", "-out", "server.crt"], directory);
}

const rules = `local all all trust
hostssl tls_only all 127.0.0.1/32 scram-sha-256
hostnossl tls_only all 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
`;

/**
 * Runs the server and passes signals on. QUIT comes from the kernel when this process has ended, in whatever way (the test runner
 * calls nothing at its exit): then the server's files go, too. A runner that kills this one takes the server along.
 */
const guard = `
setpriv --pdeathsig=QUIT "$@" & server=$!
trap 'kill -INT $server' INT
trap 'kill -QUIT $server; left=1' QUIT TERM HUP
while kill -0 $server 2>/dev/null; do wait $server; status=$?; done
if [ -n "$left" ]; then rm -rf "$0"; fi
exit $status
`;

/** Makes a cluster and starts it. Whoever calls this and not `sharedCluster` stops it. */
export async function startCluster({ fsync = false }: ClusterOptions = {}): Promise<Cluster> {
  const bin = binaries();
  if (bin === null) throw new Error(missingPostgres ?? "");
  const directory = mkdtempSync(join(tmpdir(), "dittofs-postgres-"));
  const user = unprivileged();
  const password = Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString("hex");
  makeCertificates(directory);
  writeFileSync(join(directory, "password"), password);
  mkdirSync(join(directory, "socket"));
  for (const name of ["", "password", "server.key", "server.crt", "socket"]) {
    chmodSync(join(directory, name), name === "" || name === "socket" ? 0o755 : 0o600);
    if (user !== null) chownSync(join(directory, name), user.uid, user.gid);
  }
  const data = join(directory, "data");
  const prefix = user?.prefix ?? [];
  run([...prefix, join(bin, "initdb"), "-D", data, "-U", superuser, "-A", "scram-sha-256", "--pwfile", join(directory, "password"), "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"], directory);
  writeFileSync(join(data, "pg_hba.conf"), rules);
  return await new PrivateCluster(bin, directory, await freePort(), password, fsync).start();
}

class PrivateCluster implements Cluster {
  readonly port: number;
  readonly directory: string;
  readonly rootCert: string;
  readonly otherRootCert: string;
  private readonly bin: string;
  private readonly password: string;
  private readonly fsync: boolean;
  private server: ChildProcess | null = null;
  private databases = 0;

  constructor(bin: string, directory: string, port: number, password: string, fsync: boolean) {
    this.bin = bin;
    this.directory = directory;
    this.port = port;
    this.password = password;
    this.fsync = fsync;
    this.rootCert = join(directory, "root.crt");
    this.otherRootCert = join(directory, "other-root.crt");
  }

  async start(): Promise<this> {
    const settings = {
      port: this.port,
      listen_addresses: "localhost,127.0.0.1",
      unix_socket_directories: join(this.directory, "socket"),
      fsync: this.fsync ? "on" : "off",
      shared_buffers: "32MB",
      max_connections: 60,
      ssl: "on",
      ssl_cert_file: join(this.directory, "server.crt"),
      ssl_key_file: join(this.directory, "server.key"),
    };
    const command = [
      "setpriv",
      "--pdeathsig=QUIT",
      ...(unprivileged()?.prefix.slice(1) ?? []),
      "sh",
      "-c",
      guard,
      this.directory,
      join(this.bin, "postgres"),
      "-D",
      join(this.directory, "data"),
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ];
    const log = openSync(join(this.directory, "log"), "a", 0o600);
    const server = spawn(command[0] as string, command.slice(1), { cwd: this.directory, stdio: ["ignore", log, log], env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C.UTF-8" } });
    closeSync(log);
    // It is no reason for this process to go on.
    server.unref();
    this.server = server;
    await until("PostgreSQL to answer", 30_000, async () => {
      if (server.exitCode !== null) throw new Error(`PostgreSQL ended with ${server.exitCode}:\n${readFileSync(join(this.directory, "log"), "utf8")}`);
      return await this.sql("select 1").catch(() => null);
    });
    return this;
  }

  async database(): Promise<DatabaseLogin> {
    const name = `test_${++this.databases}`;
    await this.sql(`create user ${name} password 'secret-of-${name}'`);
    await this.sql(`create database ${name} owner ${name}`);
    return { host: "127.0.0.1", port: this.port, database: name, user: name, password: `secret-of-${name}` };
  }

  async sql(text: string, database = "postgres"): Promise<readonly Record<string, unknown>[]> {
    const client = new SQL({ adapter: "postgres", hostname: "127.0.0.1", port: this.port, database, username: superuser, password: this.password, max: 1, tls: false });
    try {
      return [...(await client.unsafe(text))] as Record<string, unknown>[];
    } finally {
      await client.close({ timeout: 0 });
    }
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const server = this.server;
    if (server === null) return;
    this.server = null;
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
    server.kill(signal);
    await within("PostgreSQL to end", 30_000, ended);
  }

  async restart(): Promise<void> {
    await this.end("SIGINT");
    await this.start();
  }

  pause(): Promise<void> {
    return this.end("SIGINT");
  }

  async crash(): Promise<void> {
    const { server } = this;
    if (server === null) return;
    this.server = null;
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
    process.kill(Number(readFileSync(join(this.directory, "data/postmaster.pid"), "utf8").split("\n")[0]), "SIGKILL");
    await within("PostgreSQL to be dead", 30_000, ended);
  }

  async resume(): Promise<void> {
    // Backends of a server that was killed see that a moment later, and keep its memory until then.
    await until("PostgreSQL to start", 30_000, async () => await this.start().catch(() => null));
  }

  async stop(): Promise<void> {
    await this.end("SIGINT");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

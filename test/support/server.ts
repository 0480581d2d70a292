import { type Subprocess, spawn } from "bun";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { temporary } from "./temporary.ts";
import { until, within } from "./wait.ts";

export { freePort } from "./ports.ts";

/** The compiled server, started as a user would start it. */

export const projectRoot = resolve(import.meta.dir, "../..");

/** `dist/dittofs`, or what DITTOFS_BINARY names. */
export function binaryPath(): string {
  const path = Bun.env.DITTOFS_BINARY ?? join(projectRoot, "dist/dittofs");
  if (!existsSync(path)) throw new Error(`no ${path}: run ./scripts/build first`);
  return path;
}

/** A new directory that `remove` takes away again. */
export function temporaryDirectory(label: string, parent = tmpdir()): { readonly path: string; remove(): void } {
  const path = temporary(label, parent);
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

export interface ServerOptions {
  readonly dataDir: string;
  /** Null: not given, what the server has it at is learnt when it says so. */
  readonly port: number | null;
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Files it may have open at once (ulimit -n). */
  readonly openFilesMax?: number;
  /** Hears all it prints. */
  readonly echo?: (piece: string) => void;
  /** The program; the compiled one unless told. */
  readonly program?: readonly string[];
  /** What starts it, such as a namespace of its own; it must become the server (exec). */
  readonly under?: readonly string[];
  /** How long the accept line may take. */
  readonly startMsMax?: number;
}

const outputCharsMax = 256 * 1024;

/** The password of the user `admin` of every server of the tests. */
export const adminPassword = "the tests' own administrator";

/** What keeps servers of tests out of each other's way. */
export const serverEnvironment: Readonly<Record<string, string>> = { DITTOFS_CONTROLPLANE_PORT: "0", DITTOFS_ADAPTERS_SMB_PORT: "0", DITTOFS_ADMIN_INITIAL_PASSWORD: adminPassword };

export class Server {
  private readonly portGiven: number | null;
  readonly process: Subprocess<"ignore", "pipe", "pipe">;
  private text = "";
  private readonly accepting: Promise<void>;
  /** Both streams have ended, and what came of them is in the output. */
  private readonly silent: Promise<unknown>;

  private constructor(options: ServerOptions) {
    this.portGiven = options.port;
    const limited = options.openFilesMax === undefined ? [] : ["sh", "-c", 'ulimit -n "$0" && exec "$@"', String(options.openFilesMax)];
    const command = [...(options.under ?? []), ...limited, ...(options.program ?? [binaryPath()]), "start", "--data-dir", options.dataDir];
    if (options.port !== null) command.push("--nfs-port", String(options.port));
    if (options.config !== undefined) command.push("--config", options.config);
    command.push(...(options.args ?? []));
    this.process = spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment, ...options.env } });
    const ready = Promise.withResolvers<void>();
    const outputs = [this.collect(this.process.stdout, ready.resolve, options.echo), this.collect(this.process.stderr, () => {}, options.echo)];
    this.silent = Promise.all(outputs);
    void this.silent.then(async () => {
      await this.process.exited;
      // A summary shows one line of it.
      const { exitCode, signalCode } = this.process;
      ready.reject(new Error(`the server ended before it accepted (${signalCode ?? exitCode}): ${this.text.trimEnd().split("\n").slice(-3).join(" | ")}`));
    });
    this.accepting = ready.promise;
    this.accepting.catch(() => {});
  }

  /** Resolves when the server says that its NFS port accepts. */
  static async start(options: ServerOptions): Promise<Server> {
    const server = new Server(options);
    try {
      await within("the accept line", options.startMsMax ?? 20_000, server.accepting);
    } catch (error) {
      await server.kill();
      throw new Error(`${(error as Error).message}
${server.text}`);
    }
    return server;
  }

  /** Resolves when the server has printed this: what it does is known by other ways sooner than what it says. */
  async printed(what: RegExp | string): Promise<void> {
    await until(`the server's ${what}`, 20_000, () => ((typeof what === "string" ? this.text.includes(what) : what.test(this.text)) ? true : null));
  }

  /** Starts without waiting, for tests that end it while it starts. */
  static launch(options: ServerOptions): Server {
    return new Server(options);
  }

  /** Where NFS is. */
  get port(): number {
    return this.portGiven || Number(/^nfs: accepting on \S+:(\d+)$/m.exec(this.text)?.[1] ?? 0);
  }

  /** Where SMB is. */
  get smbPort(): number {
    return Number(/^smb: accepting on \S+:(\d+)$/m.exec(this.text)?.[1] ?? 0);
  }

  /** Where its metrics are read, of a server that has them switched on. */
  get metricsUrl(): string {
    const found = /^metrics: accepting on (\S+)$/m.exec(this.text);
    if (found === null) throw new Error(`the server did not say where its metrics are\n${this.text}`);
    return `http://${found[1]}/metrics`;
  }

  /** Where the REST interface is. */
  get apiUrl(): string {
    const found = /^api: accepting on (\S+)$/m.exec(this.text);
    if (found === null) throw new Error(`the server did not say where its REST interface is\n${this.text}`);
    return `http://${found[1]}`;
  }

  /** Everything printed so far, both streams. */
  get output(): string {
    return this.text;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** kill -9, and wait until it is gone. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
  }

  /** SIGTERM; the exit status, once its last words are in the output. */
  async stop(): Promise<number> {
    this.process.kill("SIGTERM");
    const status = await this.process.exited;
    await this.silent;
    return status;
  }

  /** Resident memory in bytes. */
  residentBytes(): number {
    const line = readFileSync(`/proc/${this.process.pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m);
    return Number(line?.[1] ?? 0) * 1024;
  }

  private async collect(stream: ReadableStream<Uint8Array>, accepts: () => void, echo: ServerOptions["echo"]): Promise<void> {
    const decoder = new TextDecoder();
    let line = "";
    for await (const chunk of stream) {
      const piece = decoder.decode(chunk, { stream: true });
      this.text = (this.text + piece).slice(-outputCharsMax);
      echo?.(piece);
      line += piece;
      if (/^nfs: accepting on /m.test(line)) accepts();
      line = line.slice(line.lastIndexOf("\n") + 1);
    }
  }
}

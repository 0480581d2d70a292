import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "bun";
import { Admin } from "../../support/admin.ts";
import { NfsClient } from "../../support/nfs-client.ts";
import { masterKeyLine } from "../../support/master-keys.ts";
import type { Cluster, DatabaseLogin } from "../../support/postgres.ts";
import type { S3Server } from "../../support/radosgw.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../../support/server.ts";
import { after, until } from "../../support/wait.ts";
import { check, replay } from "./check.ts";
import { PowerCutDisk } from "./power-cut.ts";
import { step } from "./steps.ts";
import { Violation, Workload } from "./workload.ts";

/**
 * Rounds of: start, work under load, crash, start again, compare with the model, send again what was not committed.
 *
 * One seed draws what is done and when the crash comes; what is under way just then also hangs on the machine, so a seed finds
 * a failure again often, not always.
 */

/**
 * "outage": the S3 server or PostgreSQL is killed and started, sometimes the server with it. "lost disk": killed, and its log and packs
 * are gone. "lost machine": killed, and everything of the share is gone; it is recovered from the bucket alone.
 */
export type Setting = "no crash" | "kill" | "power cut" | "outage" | "lost disk" | "lost machine";

export interface RoundsOptions {
  readonly setting: Setting;
  readonly seed: number;
  readonly rounds: number;
  /** Power cut: the disk ignores these syncs (see powercut.c). */
  readonly ignoreSyncs?: string;
  /** A loss is wanted: the first start is an honest one, and nothing is kept to look into it. */
  readonly lossExpected?: boolean;
  readonly durability?: "local" | "writeback" | "remote";
  /** Where the share's content lies; absent: in a directory. The bucket is there: a gateway that was killed once makes none for a while. */
  readonly s3?: { readonly server: S3Server; readonly bucket: string; readonly prefix: string };
  /** The content lies in a directory, compressed and encrypted. */
  readonly sealed?: boolean;
  /** Where the share's names and attributes lie; absent: in SQLite. */
  readonly postgres?: { readonly cluster: Cluster; readonly login: DatabaseLogin };
  /** The very first start is killed at a random moment, without a power cut: what it left half made must not be trusted. */
  readonly firstStartKilled?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly operationsMax?: number;
  /** A line a round. */
  readonly print?: (line: string) => void;
}

export interface RoundsResult {
  readonly rounds: number;
  readonly operations: number;
}

/** A crash test that found a loss, with what is needed to look into it. */
export class LossFound extends Error {
  override readonly name = "LossFound";
  readonly round: number;
  constructor(round: number, message: string) {
    super(message);
    this.round = round;
  }
}

const depth = 6;
const credentials = { uid: 1000, gid: 1000 };
/** Small caches, so that flushes, segment changes and collections happen within a round. */
const smallLimits = {
  DITTOFS_CACHE_SIZE: "32MiB",
  DITTOFS_CACHE_DIRTY_LIMIT: "8MiB",
  DITTOFS_CACHE_FLUSH_AGE: "60ms",
  DITTOFS_CACHE_FLUSH_SIZE: "2MiB",
  DITTOFS_CACHE_LOG_SEGMENT_SIZE: "20MiB",
  DITTOFS_GC_INTERVAL: "100ms",
  DITTOFS_GC_GRACE: "10ms",
};
/** Requests to the bucket cost more than the disk's: fewer of them a round. */
const smallLimitsS3 = { ...smallLimits, DITTOFS_CACHE_FLUSH_AGE: "250ms", DITTOFS_GC_INTERVAL: "1s" };
const operationsMaxS3 = 300;
/** An outage lasts up to this longer than the S3 server takes to start. */
const outageMsMax = 800;
/** A start is killed up to this late: some have stored a part of what they found by then. */
const hastyMsMax = 600;
const mountOffset = Number(Bun.env.DITTOFS_TEST_MOUNT_OFFSET ?? 0);

class Rounds {
  private readonly options: RoundsOptions;
  private readonly random: SeededRandom;
  private readonly directory = temporaryDirectory("crash");
  private readonly disk: PowerCutDisk | null;
  private readonly dataDir: string;
  private port = 0;
  private server: Server | null = null;
  private workload: Workload | null = null;

  constructor(options: RoundsOptions) {
    this.options = options;
    this.random = new SeededRandom(options.seed);
    this.disk = options.setting === "power cut" ? new PowerCutDisk(this.directory.path) : null;
    this.dataDir = join(this.disk?.mountpoint ?? this.directory.path, "data");
  }

  async run(): Promise<RoundsResult> {
    const { setting, seed, rounds } = this.options;
    this.port = await freePort();
    let round = 0;
    try {
      if (this.options.lossExpected === true) await this.honestStart();
      await this.disk?.mount(this.options.ignoreSyncs);
      if (this.options.firstStartKilled === true) await this.killFirstStart();
      await this.start();
      const workload = await this.firstWorkload();
      for (round = 1; round <= rounds; round++) {
        const lost = await this.round(workload);
        this.options.print?.(`${setting} round ${round}/${rounds}: ${workload.completed} operations so far${lost}`);
      }
      for (const client of workload.clients) client.close();
      await this.server?.stop();
      await this.disk?.unmount();
      this.directory.remove();
      return { rounds, operations: workload.completed };
    } catch (error) {
      for (const client of this.workload?.clients ?? []) client.close();
      const output = this.server?.output ?? "";
      await this.server?.kill();
      await this.disk?.unmount();
      const text = error instanceof Violation ? error.message : `${(error as Error).stack}`;
      const where = `${setting}, round ${round}, seed ${seed}; ${this.options.lossExpected === true ? "wanted" : `what is left lies in ${this.directory.path}`}`;
      if (this.options.lossExpected === true) this.directory.remove();
      throw new LossFound(round, `${where}\n${text}\nthe server's last words:\n${output.slice(-3000)}`);
    }
  }

  private round(workload: Workload): Promise<string> {
    switch (this.options.setting) {
      case "no crash":
        return this.quietRound(workload);
      case "outage":
        return this.outageRound(workload, this.remote());
      default:
        return this.crashRound(workload);
    }
  }

  /** What a new data directory needs is there before syncs are taken away: the loss is to be found in the work. */
  private async honestStart(): Promise<void> {
    await this.disk?.mount();
    const server = await Server.start({ dataDir: this.dataDir, port: this.port });
    await server.stop();
    await this.disk?.unmount();
  }

  private async hastyStart(): Promise<void> {
    const server = Server.launch(this.serverOptions());
    await after(this.random.below(hastyMsMax));
    await server.kill();
  }

  /** Kills a start on an empty directory at one of the moments when a file appears or grows. */
  private async killFirstStart(): Promise<void> {
    const server = Server.launch(this.serverOptions());
    const directory = this.disk?.backing ?? this.dataDir;
    let changesLeft = this.random.between(1, 25);
    for (let seen = ""; changesLeft > 0 && !/accepting/.test(server.output); ) {
      const now = listing(directory);
      if (now !== seen) changesLeft--;
      seen = now;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await server.kill();
  }

  private serverOptions(): Parameters<typeof Server.start>[0] {
    const { durability, env, s3 } = this.options;
    const options = { dataDir: this.dataDir, port: this.port, env: { ...(s3 === undefined ? smallLimits : smallLimitsS3), ...env } };
    if (durability === undefined || s3 !== undefined) return options;
    const config = join(this.directory.path, "config.yaml");
    writeFileSync(config, `shares:\n  - name: /export\n    durability: ${durability}\n`);
    return { ...options, config };
  }

  private async start(): Promise<void> {
    this.server = await Server.start(this.serverOptions());
    // What was not synced and is missing must not be taken for damage.
    if (this.options.lossExpected !== true && this.server.output.includes("the disk damaged the share's log")) throw new Violation("a log that no disk damaged was taken for damaged");
  }

  /** The share under test; on S3 it is made first. */
  private async share(): Promise<string> {
    const { s3, postgres, durability = "local" } = this.options;
    if (this.options.sealed === true) return await this.sealedShare(durability);
    if (s3 === undefined && postgres === undefined) return "/export";
    const admin = await Admin.at(this.server as Server);
    if (postgres !== undefined) {
      await admin.do("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config: { ...postgres.login, sslmode: "disable" } });
      await admin.do("POST", "/api/v1/shares", { name: "/team", metadata: "pg", durability, default_permission: "read-write" });
      return "/team";
    }
    const { server, bucket, prefix } = s3 as NonNullable<RoundsOptions["s3"]>;
    const config = { bucket, prefix, endpoint: server.endpoint, access_key: server.credentials.accessKeyId, secret_key: server.credentials.secretAccessKey };
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config });
    await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", durability, default_permission: "read-write" });
    return "/cloud";
  }

  private async sealedShare(durability: string): Promise<string> {
    const admin = await Admin.at(this.server as Server);
    const keyFile = join(this.directory.path, "master.keys");
    writeFileSync(keyFile, `${masterKeyLine("crash")}\n`, { mode: 0o600 });
    const config = { compression: "zstd", encryption: "aes-256-gcm", encryption_key_file: keyFile };
    await admin.do("POST", "/api/v1/store/block", { name: "sealed", type: "filesystem", config });
    await admin.do("POST", "/api/v1/shares", { name: "/sealed", blocks: "sealed", durability, default_permission: "read-write" });
    return "/sealed";
  }

  private async firstWorkload(): Promise<Workload> {
    const name = await this.share();
    const connect = (): Promise<NfsClient> => NfsClient.connect({ port: this.port, mountPort: this.port + mountOffset, credentials });
    const clients = [await connect(), await connect()] as const;
    const share = await clients[0].mount(name);
    const workload = new Workload(this.random, clients);
    this.workload = workload;
    const home = await clients[0].mkdir(share, "home", { mode: 0o755 });
    workload.model.root.handle = home.handle;
    workload.model.root.fileid = home.attributes.fileid;
    return workload;
  }

  /** Work without a crash: what is there must be exactly what was done, before and after a proper stop. */
  private async quietRound(workload: Workload): Promise<string> {
    const target = workload.completed + (this.options.operationsMax ?? 4000);
    await workload.run(depth, step, () => workload.completed >= target);
    const client = workload.clients[0] as NfsClient;
    for (const node of workload.model.all()) if (node.content.pending.length > 0) await workload.commitNow(client, node);
    await check(workload, client);
    for (const one of workload.clients) one.close();
    const status = await this.server?.stop();
    if (status !== 0) throw new Violation(`SIGTERM: exit status ${status}`);
    await this.recover(workload);
    return "";
  }

  private async crashRound(workload: Workload): Promise<string> {
    // Most crashes come early, some after a time that lets packs become garbage, some while only the flusher is at work.
    const operationsMax = this.options.operationsMax ?? (this.options.s3 !== undefined ? operationsMaxS3 : this.random.chance(0.15) ? 4000 : 1200);
    const target = workload.completed + this.random.between(1, operationsMax);
    if (this.random.chance(0.1)) {
      await workload.run(depth, step, () => workload.completed >= target);
      await after(this.random.below(300));
      await this.server?.kill();
    } else {
      await this.crashUnderLoad(workload, target);
    }
    let lost = await this.losePower();
    this.loseDisk();
    if (this.options.setting === "lost machine") await this.loseMachine();
    if (this.random.chance(0.2)) {
      // Once more, while it starts: recovery itself must survive a crash.
      await this.hastyStart();
      if (this.random.chance(0.5)) lost += await this.losePower();
    }
    await this.recover(workload);
    return lost;
  }

  private async crashUnderLoad(workload: Workload, target: number): Promise<void> {
    const linger = this.random.chance(0.5) ? this.random.below(60) : 0;
    const crashed = Promise.withResolvers<void>();
    let due = false;
    const crash = async (): Promise<void> => {
      if (linger > 0) await after(linger);
      await this.server?.kill();
    };
    const enough = (): boolean => {
      if (!due && workload.completed >= target) {
        due = true;
        crash().then(crashed.resolve, crashed.reject);
      }
      return false;
    };
    await workload.run(depth, step, enough);
    if (!due) throw new Violation("the server closed its connections before the crash");
    await crashed.promise;
  }

  private remote(): { kill(): Promise<void>; start(): Promise<void> } {
    const { postgres, s3 } = this.options;
    if (postgres === undefined) return (s3 as NonNullable<RoundsOptions["s3"]>).server;
    const start = async (): Promise<void> => {
      await postgres.cluster.resume();
      // A share that could not be opened without it is opened a moment later.
      await until("the share to be served", 30_000, async () => {
        const admin = await Admin.at(this.server as Server);
        return (await admin.do("GET", "/api/v1/shares/team/status")).state === "serving" ? true : null;
      });
    };
    return { kill: () => postgres.cluster.crash(), start };
  }

  /** That server goes away under load and comes back; sometimes the server is killed meanwhile, and starts without it. */
  private async outageRound(workload: Workload, remote: { kill(): Promise<void>; start(): Promise<void> }): Promise<string> {
    const target = workload.completed + this.random.between(1, this.options.operationsMax ?? operationsMaxS3);
    const kills = this.random.chance(0.5);
    const lastsMs = this.random.below(outageMsMax);
    let outage: Promise<void> | null = null;
    let over = false;
    const away = async (): Promise<void> => {
      await remote.kill();
      await after(lastsMs);
      if (kills) await this.server?.kill();
      else await remote.start();
    };
    const enough = (): boolean => {
      if (outage === null && workload.completed >= target) {
        outage = away().finally(() => {
          over = true;
        });
      }
      return over;
    };
    await workload.run(depth, step, enough);
    await outage;
    if (kills) {
      await this.recover(workload, () => remote.start());
      return "; killed meanwhile";
    }
    const client = this.random.pick(workload.clients);
    for (const node of workload.model.all()) if (node.content.pending.length > 0) await workload.commitNow(client, node);
    await check(workload, client);
    return "";
  }

  /** What the local disk held of the content is gone; names and attributes are elsewhere. */
  private loseDisk(): void {
    if (this.options.setting !== "lost disk") return;
    const own = join(this.dataDir, "shares", "cloud");
    for (const name of ["log", "packs"]) rmSync(join(own, name), { recursive: true });
    mkdirSync(join(own, "log"));
  }

  /** Nothing of the share is left but its bucket, where the control plane still knows it. */
  private async loseMachine(): Promise<void> {
    rmSync(join(this.dataDir, "shares"), { recursive: true });
    const { server, bucket, prefix } = this.options.s3 as NonNullable<RoundsOptions["s3"]>;
    const { accessKeyId, secretAccessKey } = server.credentials;
    const flags = ["--bucket", bucket, "--prefix", prefix, "--endpoint", server.endpoint, "--access-key", accessKeyId, "--secret-key", secretAccessKey];
    const child = spawn([binaryPath(), "recover", "--from", "s3", ...flags, "--data-dir", this.dataDir], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
    const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
    if (status !== 0) throw new Violation(`recover: exit status ${status}\n${out}${err}`);
  }

  private async losePower(): Promise<string> {
    if (this.disk === null) return "";
    const line = await this.disk.cut(this.random.uint32());
    await this.disk.mount(this.options.ignoreSyncs);
    return `; ${line}`;
  }

  private async recover(workload: Workload, started: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.start();
    await started();
    workload.restarted();
    for (const client of workload.clients) await client.reconnect();
    const client = this.random.pick(workload.clients);
    const contents = await check(workload, client);
    await replay(workload, client, contents, this.random.chance(0.2));
  }
}

/** Every file below a directory with its size. */
function listing(directory: string): string {
  const lines: string[] = [];
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    lines.push(`${name} ${stat?.isFile() === true ? stat.size : ""}`);
  }
  return lines.sort().join("\n");
}

/** Plays the rounds; throws `LossFound` at the first that finds the server wrong. */
export function playRounds(options: RoundsOptions): Promise<RoundsResult> {
  return new Rounds(options).run();
}

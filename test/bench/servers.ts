import { openSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ApiPlace } from "./api-client.ts";
import { outputOf, tool } from "./tools.ts";

/** A server under test, on loopback ports of its own. */
export interface Server {
  readonly name: string;
  readonly port: number;
  readonly mountPort: number;
  readonly export: string;
  readonly pid: number;
  /** Bytes of memory it was told to cache content in; null where it was told nothing. */
  readonly cacheBytes: number | null;
  /** Its REST interface; null: it has none. */
  readonly api: ApiPlace | null;
  /** Where SMB is; null: it serves none, or nobody asks. */
  readonly smbPort: number | null;
  /** Ends it in good order; with its data unless `keep`. */
  stop(keep: boolean): Promise<void>;
}

const startMsMax = 30_000;
const stopMsMax = 60_000;

async function accepts(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

/** A port nobody listens on now. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

/** Servers that run: none of them outlives us, however we end. */
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

interface Launch {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly port: number;
  readonly mountPort: number;
  readonly export: string;
  readonly cacheBytes?: number | null;
  readonly api?: ApiPlace;
  readonly smbPort?: number;
}

export async function launch(how: Launch): Promise<Server> {
  const logPath = join(how.folder, "log");
  const log = openSync(logPath, "a");
  const child = Bun.spawn([...how.command], { env: { ...process.env, ...how.environment }, stdin: "ignore", stdout: log, stderr: log });
  running.add(child);
  const deadline = performance.now() + startMsMax;
  while (!(await accepts(how.port)) || !(await accepts(how.mountPort))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`${how.name} did not start; its log:\n${(await Bun.file(logPath).text()).slice(-2000)}`);
    }
    await Bun.sleep(50);
  }
  return {
    name: how.name,
    port: how.port,
    mountPort: how.mountPort,
    export: how.export,
    pid: child.pid,
    cacheBytes: how.cacheBytes ?? null,
    api: how.api ?? null,
    smbPort: how.smbPort ?? null,
    async stop(keep) {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
      await child.exited;
      running.delete(child);
      clearTimeout(late);
      if (!keep) await rm(how.folder, { recursive: true, force: true });
    },
  };
}

export async function freshFolder(base: string, name: string): Promise<string> {
  const folder = join(base, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return folder;
}

/**
 * NFS-Ganesha on FSAL_VFS, private: no rpcbind, no NLM, no state outside `base`. The exported directory gets ext4's "top of
 * directory hierarchies" attribute, without which a create soon walks past every recently deleted inode of its block group.
 */
export async function startGanesha(base: string): Promise<Server> {
  const folder = await freshFolder(base, "ganesha");
  const exported = join(folder, "export");
  const recovery = join(folder, "recovery");
  await mkdir(exported);
  await mkdir(recovery);
  await outputOf(["chattr", "+T", exported]);
  const port = freePort();
  const mountPort = freePort();
  const configuration = join(folder, "ganesha.conf");
  await Bun.write(
    configuration,
    `NFS_CORE_PARAM {
  Bind_addr = 127.0.0.1; NFS_Port = ${port}; MNT_Port = ${mountPort};
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
  Protocols = 3; mount_path_pseudo = true;
}
NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = ${recovery}; Only_Numeric_Owners = true; Delegations = false; }
NFS_KRB5 { Active_krb5 = false; }
LOG { Default_Log_Level = EVENT; }
EXPORT {
  Export_Id = 1; Path = ${exported}; Pseudo = /export; Access_Type = RW;
  Squash = No_Root_Squash; SecType = sys, none; Transports = TCP; Protocols = 3;
  MaxRead = 1048576; MaxWrite = 1048576; PrefRead = 1048576; PrefWrite = 1048576;
  FSAL { Name = VFS; }
}
`,
  );
  return launch({
    name: "ganesha",
    command: ["ganesha.nfsd", "-F", "-f", configuration, "-L", join(folder, "ganesha.log"), "-p", join(folder, "pid"), "-N", "NIV_EVENT"],
    environment: { LD_PRELOAD: tool("norpcb.so") },
    folder,
    port,
    mountPort,
    export: "/export",
  });
}

/** Canned replies: the upper bound of what any server can reach here. Keeps nothing. */
export async function startNullServer(base: string): Promise<Server> {
  const folder = await freshFolder(base, "nullnfs");
  const port = freePort();
  return launch({ name: "nullnfs", command: [tool("nullnfs"), String(port), "100000"], folder, port, mountPort: port, export: "/" });
}

/** Ids as the client sends them, everything else as a fresh install has it. */
const dittofsConfiguration = `shares:
  - name: /export
    squash: none
`;

const units: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9 };

/** `cache.size` as the server itself works it out for this machine. */
async function cacheSizeOf(program: readonly string[], configuration: string): Promise<number | null> {
  const shown = await outputOf([...program.filter((word) => !word.startsWith("--cpu-prof")), "config", "show", "--config", configuration]);
  const match = /^cache:\n(?:[ ]+.*\n)*?[ ]+size: (\d+)(\w+)$/m.exec(shown ?? "");
  return match === null ? null : Number(match[1]) * (units[match[2] as string] ?? Number.NaN);
}

interface DittofsOptions {
  readonly name?: string;
  /** What the load generator mounts. */
  readonly export?: string;
  /** With the data an earlier one of that name left. */
  readonly again?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

const adminPassword = "administrator of a benchmark";

/** `program`: what `start` is said to, an executable or `bun [options] src/main.ts`. */
export async function startDittofs(base: string, program: readonly string[], options: DittofsOptions = {}): Promise<Server> {
  const name = options.name ?? "dittofs";
  const folder = options.again === true ? join(base, name) : await freshFolder(base, name);
  const configuration = join(folder, "config.yaml");
  await Bun.write(configuration, dittofsConfiguration);
  const port = freePort();
  const api = { port: freePort(), password: adminPassword };
  const smbPort = freePort();
  return launch({
    name,
    command: [...program, "start", "--data-dir", join(folder, "data"), "--config", configuration, "--nfs-port", String(port), "--smb-port", String(smbPort), "--bind", "127.0.0.1", "--controlplane-port", String(api.port)],
    environment: { DITTOFS_ADMIN_INITIAL_PASSWORD: api.password, ...options.environment },
    folder,
    port,
    mountPort: port,
    export: options.export ?? "/export",
    cacheBytes: await cacheSizeOf(program, configuration),
    api,
    smbPort,
  });
}

/** A server somebody else runs: `name=host:port:mountport:export`. */
export function foreignServer(description: string): Server {
  const match = /^([\w-]+)=127\.0\.0\.1:(\d+):(\d+):(\/.*)$/.exec(description);
  if (match === null) throw new Error(`a server is described as name=127.0.0.1:port:mountport:/export, not ${description}`);
  const [, name, port, mountPort, exported] = match as unknown as [string, string, string, string, string];
  return { name, port: Number(port), mountPort: Number(mountPort), export: exported, pid: 0, cacheBytes: null, api: null, smbPort: null, async stop() {} };
}

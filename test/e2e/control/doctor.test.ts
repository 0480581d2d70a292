import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server as Listener } from "node:net";
import { createSocket } from "node:dgram";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { ownName } from "../../support/own-name.ts";
import { missingPostgres, sharedCluster } from "../../support/postgres.ts";
import { bucketConfig, missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../../support/radosgw.ts";
import { adminPassword, binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../../support/server.ts";

/** What `dittofs doctor` checks, broken one by one: each is named, and what it says to do is the remedy. */

interface Finding {
  readonly check: string;
  readonly result: "ok" | "warn" | "fail";
  readonly found: string;
  readonly advice: string | null;
}

interface Examined {
  readonly status: number;
  readonly findings: readonly Finding[];
  readonly err: string;
}

const directory = temporaryDirectory("doctor-e2e");
const scratch = (name: string): string => join(directory.path, name);
const isRoot = process.getuid?.() === 0;
const config = scratch("config");
const nobody = 65534;
/** Without what tells the tests which binary to use: it would be warned of. */
const plain = Object.fromEntries(Object.entries(Bun.env).filter(([name]) => !name.startsWith("DITTOFS_")));
chmodSync(directory.path, 0o755);

afterAll(() => directory.remove());

interface How {
  /** What runs it, such as setpriv or a namespace. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const anyPort = ["--nfs-port", "0", "--smb-port", "0", "--controlplane-port", "0"];
const testMsMax = 180_000;

async function examine(dataDir: string | null, args: readonly string[] = anyPort, { under = [], env = {} }: How = {}): Promise<Examined> {
  const command = [...under, binaryPath(), "doctor", ...(dataDir === null ? [] : ["--data-dir", dataDir]), ...args, "-o", "json"];
  const child = Bun.spawn(command, { env: { ...plain, ...serverEnvironment, XDG_CONFIG_HOME: config, ...env }, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, err, findings: out === "" ? [] : (JSON.parse(out) as Finding[]) };
}

const wrong = ({ findings }: Examined) => findings.filter(({ result }) => result !== "ok");
/** That no server runs is no fault of what is examined here. */
const besides = (examined: Examined) => wrong(examined).filter(({ check, found }) => !(check === "control plane" && found.startsWith("no server runs")));

/** One of the findings is this, and nothing else is wrong but what is named in `and`. */
function finds(examined: Examined, result: "warn" | "fail", check: string | RegExp, found: RegExp, advice: RegExp, and: readonly RegExp[] = []): void {
  const fits = (one: Finding) => (typeof check === "string" ? one.check === check : check.test(one.check)) && found.test(one.found);
  const bad = besides(examined);
  expect(bad.filter((one) => !fits(one) && !and.some((other) => other.test(one.check)))).toEqual([]);
  const it = bad.find(fits);
  expect(it ?? bad).toMatchObject({ result });
  expect(it?.advice ?? "").toMatch(advice);
  expect(examined.status).toBe(bad.some((one) => one.result === "fail") ? 1 : 0);
}

/** A data directory of its own, as a server that never ran would find it. */
function fresh(name: string): string {
  mkdirSync(scratch(name), { mode: 0o700 });
  return scratch(name);
}

function listening(port: number, host = "127.0.0.1"): Promise<Listener> {
  return new Promise((done) => {
    const server = createServer().listen({ host, port }, () => done(server));
  });
}

test("all well: nothing is wrong, exit status 0, by table, JSON and YAML", async () => {
  const data = fresh("well");
  const examined = await examine(data);
  expect([examined.status, besides(examined), examined.err]).toEqual([0, [], ""]);
  expect(new Set(examined.findings.map(({ check }) => check.replace(/ \d+/, "")))).toEqual(new Set(["configuration", "data directory", "data directory: room", "control-plane database", "port (api)", "port (nfs)", "port (smb)", "clock", "open files", "control plane"]));
  const table = Bun.spawnSync([binaryPath(), "doctor", "--data-dir", data, ...anyPort], { env: { ...plain, XDG_CONFIG_HOME: config } });
  expect([table.exitCode, table.stdout.toString()]).toEqual([0, expect.stringContaining("ok    data directory: ")]);
  expect(existsSync(join(data, "controlplane.db"))).toBe(false);
}, testMsMax);

describe("ports", () => {
  test.each([
    ["api", "--controlplane-port", []],
    ["nfs", "--nfs-port", ["--bind", "127.0.0.1"]],
    ["smb", "--smb-port", ["--bind", "127.0.0.1"]],
    ["portmapper", "--nfs-portmapper-port", ["--bind", "127.0.0.1", "--nfs-portmapper-enabled"]],
  ] as const)("that of %s is taken: by whom, and how to choose another", async (protocol, flag, more) => {
    const taken = await listening(0);
    const { port } = taken.address() as { port: number };
    try {
      const examined = await examine(fresh(`taken-${protocol}`), [...anyPort, ...more, flag, String(port)]);
      finds(examined, "fail", `port ${port} (${protocol})`, new RegExp(`^${ownName.replaceAll(".", "\\.")} \\(pid ${process.pid}\\) has it on 127\\.0\\.0\\.1$`), new RegExp(`ss -ltnp 'sport = :${port}'.*${flag}`));
    } finally {
      taken.close();
    }
  }, testMsMax);

  test("the portmapper's is taken over UDP alone", async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
    const { port } = socket.address();
    try {
      finds(await examine(fresh("udp"), [...anyPort, "--bind", "127.0.0.1", "--nfs-portmapper-enabled", "--nfs-portmapper-port", String(port)]), "fail", `port ${port} (portmapper)`, new RegExp(`\\(pid ${process.pid}\\)`), /--nfs-portmapper-port/);
    } finally {
      socket.close();
    }
  }, testMsMax);

  test("no such address", async () => {
    finds(await examine(fresh("address"), [...anyPort, "--nfs-port", "12049", "--bind", "192.0.2.1"]), "fail", "port 12049 (nfs)", /no address 192\.0\.2\.1/, /ip address.*0\.0\.0\.0/);
  }, testMsMax);

  // Needs root, to be others.
  test.skipIf(!isRoot)("one below 1024 without the privilege", async () => {
    const data = fresh("privilege");
    chownSync(data, nobody, nobody);
    // Where the system lets everybody have low ports there is none to be had.
    const low = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    const first = Number(await Bun.file(low).text());
    if (first < 1024) return void console.log(`low ports: skipped, ${low} is ${first}`);
    const under = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
    finds(await examine(data, [...anyPort, "--nfs-port", "1023"], { under }), "fail", "port 1023 (nfs)", /below 1024 need a privilege/, /setcap cap_net_bind_service/);
  }, testMsMax);
});

describe("clock", () => {
  const faketime = Bun.which("faketime");
  // Needs faketime.
  test.skipIf(faketime === null)("one that was never set", async () => {
    finds(await examine(fresh("clock"), anyPort, { under: [faketime ?? "", "2001-01-01 00:00:00"] }), "fail", "clock", /^it says 2001-.*before this program was written$/, /timedatectl set-ntp true/);
  }, testMsMax);

  test("one that went back: files are from the future", async () => {
    const data = fresh("future");
    writeFileSync(join(data, "FORMAT"), "dittofs data directory, layout 1\n");
    const later = Date.now() / 1000 + 7200;
    utimesSync(join(data, "FORMAT"), later, later);
    finds(await examine(data), "warn", "clock", /it went back, or was ahead/, /timedatectl set-ntp true/);
  }, testMsMax);
});

describe("data directory", () => {
  test("that is missing is made by the server: no fault; one that can't be made is", async () => {
    const missing = await examine(scratch("not/there/yet"));
    expect([missing.status, besides(missing)]).toEqual([0, []]);
    expect(missing.findings).toContainEqual(expect.objectContaining({ check: "data directory", result: "ok", found: expect.stringContaining("is not there yet; the server makes it at its first start") }));
    writeFileSync(scratch("file"), "");
    const { findings, status } = await examine(scratch("file"));
    expect([status, findings.find(({ check }) => check === "data directory")]).toEqual([1, { check: "data directory", result: "fail", found: `${scratch("file")} is not a directory`, advice: expect.stringContaining("--data-dir") }]);
  }, testMsMax);

  test("others may write into it", async () => {
    const data = fresh("open");
    chmodSync(data, 0o777);
    finds(await examine(data), "warn", "data directory", /others may write into .* \(mode 0777\)/, new RegExp(`^chmod go-w ${data}$`));
  }, testMsMax);

  // Needs root, to be others.
  test.skipIf(!isRoot)("belongs to somebody else; can't be written; can't be looked at", async () => {
    const data = fresh("theirs");
    chownSync(data, nobody, nobody);
    finds(await examine(data), "warn", "data directory", new RegExp(`belongs to the user id ${nobody}, and this is run by 0`), /as one user, the owner of the data/);
    const under = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
    const ours = fresh("ours");
    chmodSync(ours, 0o755);
    finds(await examine(ours, anyPort, { under }), "fail", "data directory", /can't be written \(EACCES\)/, /give that user the directory with chown/, [/^data directory$/]);
    mkdirSync(scratch("closed/inner"), { recursive: true });
    chmodSync(scratch("closed"), 0o700);
    finds(await examine(scratch("closed/inner"), anyPort, { under }), "fail", "data directory", /can't be looked at \(EACCES\)/, /run this as the user the server runs as/, [/^server$/, /^secret$/, /^database$/, /^control-plane database$/]);
  }, testMsMax);

  /** In a mount namespace of its own, where `script` has made $0 what it is to be. */
  const mounted = (script: string, at: string): readonly string[] => ["unshare", "--mount", "--propagation", "private", "sh", "-ec", `${script}; exec "$@"`, at];
  const canMount = isRoot && Bun.spawnSync(["unshare", "--mount", "true"]).exitCode === 0;
  if (!canMount) console.log("doctor's file systems: skipped, a mount namespace needs root");

  // Needs root, for a mount namespace.
  test.skipIf(!canMount)("in memory; full; without an inode; read-only", async () => {
    const at = fresh("mount");
    const memory = (options: string) => mounted(`mount -t tmpfs -o mode=0700,${options} none "$0"`, at);
    const inMemory = /^data directory: (file system|room)$/;
    finds(await examine(at, anyPort, { under: memory("size=8g") }), "warn", "data directory: file system", /is on tmpfs: everything in it is gone/, /ext4, XFS, Btrfs or ZFS/);
    finds(await examine(at, anyPort, { under: memory("size=1m") }), "fail", "data directory: room", /^1(\.0)? MiB of 1(\.0)? MiB free$/, /make room/, [inMemory]);
    finds(await examine(at, anyPort, { under: memory("size=512m") }), "warn", "data directory: room", /free$/, /make room/, [inMemory]);
    const full = mounted('mount -t tmpfs -o mode=0700,size=1m none "$0"; head -c 2m /dev/zero > "$0/fill" || true', at);
    finds(await examine(at, anyPort, { under: full }), "fail", "data directory: file system", /can't be written and synced \(ENOSPC\)/, /make room/, [inMemory]);
    finds(await examine(at, anyPort, { under: memory("size=8g,nr_inodes=1") }), "fail", "data directory: room", /but no inode is/, /delete files, or make the file system with more inodes/, [inMemory]);
    finds(await examine(at, anyPort, { under: memory("size=8g,ro") }), "fail", "data directory", /can't be written \(EROFS\)/, /mount its file system writable/, [inMemory]);
  }, testMsMax);

  // Needs root, for a mount namespace.
  test.skipIf(!canMount)("a cache directory is looked at in the same way", async () => {
    const at = fresh("cache");
    const under = mounted('mount -t tmpfs -o mode=0700,size=1m none "$0"', at);
    finds(await examine(fresh("beside-cache"), [...anyPort, "--cache-path", at], { under }), "fail", "cache directory: room", /free$/, /make room/, [/^cache directory/]);
  }, testMsMax);
});

describe("what is secret", () => {
  test("is for its owner alone: the secret, the database, the log-ins; the first password is to go", async () => {
    const data = scratch("secrets");
    const server = await Server.start({ dataDir: data, port: 0, env: { DITTOFS_ADMIN_INITIAL_PASSWORD: "" } });
    expect(await server.stop()).toBe(0);
    finds(await examine(data), "warn", "first password", /still holds the first administrator's password/, /log in with it, change it, and delete the file/);
    rmSync(join(data, "admin-password"));
    for (const [check, file] of [["secret", "controlplane.secret"], ["database", "controlplane.db"]] as const) {
      chmodSync(join(data, file), 0o644);
      finds(await examine(data), "fail", check, new RegExp(`others may read ${join(data, file)} \\(mode 0644\\)`), new RegExp(`^chmod 600 ${join(data, file)}`));
      chmodSync(join(data, file), 0o600);
    }
    const home = scratch("home");
    mkdirSync(join(home, "dittofs"), { recursive: true });
    writeFileSync(join(home, "dittofs/contexts.json"), '{"version":1,"contexts":{}}', { mode: 0o644 });
    finds(await examine(data, anyPort, { env: { XDG_CONFIG_HOME: home } }), "fail", "log-ins", /others may read .*contexts\.json/, /^chmod 600 /);
  }, testMsMax);
});

test("few open files: the limit is named, and where it is raised", async () => {
  const under = ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh"];
  finds(await examine(fresh("files"), anyPort, { under }), "warn", "open files", /^at most 256 here; \d+ may be needed/, /ulimit -n \d+, or LimitNOFILE=\d+/);
}, testMsMax);

describe("the control plane's database", () => {
  test("damaged, of something else, lost", async () => {
    const data = scratch("database");
    const server = await Server.start({ dataDir: data, port: 0 });
    expect(await server.stop()).toBe(0);
    const file = join(data, "controlplane.db");
    renameSync(file, scratch("kept.db"));
    finds(await examine(data), "fail", "control-plane database", /has files of shares .* but there is no control-plane database/, /dittofs restore controlplane --input FILE/);
    writeFileSync(file, "no database at all, but long enough to be looked at as one".repeat(20), { mode: 0o600 });
    finds(await examine(data), "fail", "control-plane database", /controlplane\.db/, /dittofs restore controlplane --input FILE/);
    rmSync(file);
    symlinkSync(scratch("kept.db"), file);
    expect(besides(await examine(data))).toEqual([]);
  }, testMsMax);

  // Needs PostgreSQL.
  test.skipIf(missingPostgres !== null)("in PostgreSQL: reached, away, refused", async () => {
    const cluster = await sharedCluster();
    const login = await cluster.database();
    const env = (change: object = {}) => ({
      DITTOFS_DATABASE_TYPE: "postgres",
      DITTOFS_DATABASE_POSTGRES_HOST: "127.0.0.1",
      DITTOFS_DATABASE_POSTGRES_PORT: String(login.port),
      DITTOFS_DATABASE_POSTGRES_DATABASE: login.database,
      DITTOFS_DATABASE_POSTGRES_USER: login.user,
      DITTOFS_DATABASE_POSTGRES_PASSWORD: login.password,
      DITTOFS_DATABASE_POSTGRES_SSLMODE: "disable",
      ...change,
    });
    const data = fresh("postgres");
    const well = await examine(data, anyPort, { env: env() });
    expect([well.status, besides(well)]).toEqual([0, []]);
    expect(well.findings).toContainEqual(expect.objectContaining({ check: "control-plane database", found: expect.stringMatching(/is brought up to date by \d+ steps at the next start$/) }));
    const remedy = /see that PostgreSQL runs and is reached from here/;
    const port = String(await freePort());
    for (const [change, found] of [
      [{ DITTOFS_DATABASE_POSTGRES_PORT: port }, new RegExp(`PostgreSQL at 127\\.0\\.0\\.1:${port} refuses connections`)],
      [{ DITTOFS_DATABASE_POSTGRES_PASSWORD: "wrong" }, /password/],
      [{ DITTOFS_DATABASE_POSTGRES_DATABASE: "nowhere" }, /nowhere/],
    ] as const) {
      const examined = await examine(data, anyPort, { env: env(change) });
      finds(examined, "fail", "control-plane database", found, remedy);
      expect(JSON.stringify(examined.findings)).not.toContain(login.password);
    }
  }, testMsMax);
});

describe("with a server that runs, logged in", () => {
  const data = scratch("served");
  let server: Server;
  let admin: Admin;
  const env = (): Record<string, string> => ({ XDG_CONFIG_HOME: scratch("served-home") });
  const look = () => examine(data, anyPort, { env: env() });

  beforeAll(async () => {
    server = await Server.start({ dataDir: data, port: 0 });
    admin = await Admin.at(server);
    const login = Bun.spawnSync([binaryPath(), "login", "--server", server.apiUrl, "--username", "admin", "--password-stdin"], { env: { ...Bun.env, ...env() }, stdin: new TextEncoder().encode(`${adminPassword}\n`) });
    expect([login.exitCode, login.stderr.toString()]).toEqual([0, ""]);
  });
  afterAll(async () => expect(await server.stop()).toBe(0));

  test("all well; its ports are its own", async () => {
    const examined = await look();
    expect([examined.status, wrong(examined)]).toEqual([0, []]);
    expect(examined.findings.filter(({ check }) => /^port/.test(check)).map(({ found }) => found.replace(/ on .*/, ""))).toEqual(Array.from({ length: 3 }, () => `the server with pid ${server.process.pid} listens`));
  }, testMsMax);

  test("a store in a directory that is away, and the share in it", async () => {
    const path = scratch("blocks");
    await admin.do("POST", "/api/v1/store/block", { name: "disk", type: "filesystem", config: { path } });
    await admin.do("POST", "/api/v1/store/metadata", { name: "names", type: "sqlite", config: { path: scratch("names") } });
    for (const [kind, name, at] of [["block", "disk", path], ["metadata", "names", scratch("names")]] as const) {
      renameSync(at, `${at}-away`);
      writeFileSync(at, "");
      finds(await look(), "fail", `${kind} store ${name}`, new RegExp(`${at} is a file, not a directory`), new RegExp(`dittofs store ${kind} show ${name}`));
      rmSync(at);
      renameSync(`${at}-away`, at);
    }
    expect(wrong(await look())).toEqual([]);
  }, testMsMax);

  test("a share whose files are lost is named with what to do", async () => {
    await admin.do("POST", "/api/v1/shares", { name: "/lost", enabled: true });
    expect(await server.stop()).toBe(0);
    rmSync(join(data, "shares/lost"), { recursive: true });
    const port = Number(new URL(admin.url).port);
    server = await Server.start({ dataDir: data, port: 0, env: { DITTOFS_CONTROLPLANE_PORT: String(port) } });
    admin = await Admin.at(server);
    finds(await look(), "fail", "share /lost", /has been in use, but its metadata is not here/, /share enable \/lost/, [/^control plane$/]);
    await admin.do("DELETE", "/api/v1/shares/lost?purge=true");
  }, testMsMax);

  // Needs radosgw.
  describe.skipIf(missingRadosgw !== null)("a bucket", () => {
    let s3: S3Server;
    beforeAll(async () => {
      s3 = await startS3();
    }, s3StartMsMax);
    afterAll(() => s3.stop());

    test("answers; then with the key taken away, then missing, then without anybody at the address", async () => {
      const bucket = s3.bucketName();
      const { accessKeyId, secretAccessKey } = s3.credentials;
      await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config: bucketConfig(s3, bucket) });
      await admin.do("PUT", "/api/v1/store/block/cloud", { config: { create_bucket: null } });
      expect(wrong(await look())).toEqual([]);
      const s3admin = (...args: readonly string[]) => s3.admin(...args);
      await s3admin("key", "rm", `--access-key=${accessKeyId}`, "--key-type=s3");
      const remedy = /dittofs store block show cloud/;
      const refused = await look();
      finds(refused, "fail", "block store cloud", /key|credentials|access|signature/i, remedy);
      const uid = (JSON.parse(await s3admin("user", "list")) as string[])[0] ?? "";
      await s3admin("key", "create", `--uid=${uid}`, `--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`, "--key-type=s3");
      await s3admin("bucket", "rm", `--bucket=${bucket}`, "--purge-objects");
      finds(await look(), "fail", "block store cloud", new RegExp(`${bucket}|bucket`), remedy);
      await s3.kill();
      const away = await look();
      finds(away, "fail", "block store cloud", /127\.0\.0\.1|refuse|reach|answer/, remedy);
      expect(JSON.stringify([refused.findings, away.findings])).not.toContain(secretAccessKey);
      await admin.do("DELETE", "/api/v1/store/block/cloud");
    }, s3StartMsMax);
  });

  test("without a log-in, or with a role that may not look, says that it didn't; a server that is gone fails", async () => {
    const home = { XDG_CONFIG_HOME: scratch("nobody-home") };
    finds(await examine(data, anyPort, { env: home }), "warn", "log-in", /not logged in/, /^dittofs login --server http:/);
    finds(await examine(fresh("gone"), [...anyPort, "--server", `http://127.0.0.1:${await freePort()}`], { env: home }), "fail", "control plane", /./, /dittofs status says what runs/);
  }, testMsMax);
});

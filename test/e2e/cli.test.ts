import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NfsClient } from "../support/nfs-client.ts";
import { Stable } from "../support/nfs-types.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../support/server.ts";

/** The compiled executable as a person or a script uses it: start, look, stop, kill, start again. */

const directory = temporaryDirectory("cli");
const scratch = (name: string) => join(directory.path, name);
/** Stops whatever a test started in the background, should it have failed in between. */
const detached: string[] = [];
afterAll(() => {
  for (const dataDir of detached) dittofs("stop", "--data-dir", dataDir, "--force");
  directory.remove();
});

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function command(words: readonly string[], env: Record<string, string> = {}): Outcome {
  const home = { HOME: scratch("home"), XDG_CONFIG_HOME: scratch("home/config"), XDG_DATA_HOME: scratch("home/data") };
  const result = Bun.spawnSync([...words], { env: { ...Bun.env, ...serverEnvironment, ...home, ...env }, stdin: "ignore" });
  return { status: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

function dittofs(...args: readonly string[]): Outcome {
  return command([binaryPath(), ...args]);
}

function url(port: number, path = ""): string {
  return `nfs://127.0.0.1/export${path}?version=3&nfsport=${port}&mountport=${port}`;
}

/** A file of bytes that don't repeat. */
function sample(name: string, bytes: number): string {
  const path = scratch(name);
  const content = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(content.subarray(at, Math.min(bytes, at + 65536)));
  writeFileSync(path, content);
  return path;
}

test("version says version and platform", () => {
  expect(dittofs("version").out).toMatch(/^dittofs \d+\.\d+\.\d+ .*bun \d+\.\d+\.\d+ \w+-\w+\n$/);
});

test("an unknown key ends the start with status 2, key, file and line", async () => {
  const file = scratch("bad.yaml");
  writeFileSync(file, "adapters:\n  nfs:\n    prot: 1\n");
  const { status, err } = dittofs("start", "--config", file, "--data-dir", scratch("never"));
  expect(status).toBe(2);
  expect(err).toContain(`error: ${file}:3: adapters.nfs.prot: unknown key; did you mean port?`);
  expect(existsSync(scratch("never"))).toBe(false);
});

test("the written template starts a server on the defaults", async () => {
  const file = scratch("template.yaml");
  expect(dittofs("init", "--config", file).status).toBe(0);
  const shown = dittofs("config", "show", "--config", file, "--data-dir", "/srv/x").out;
  expect(shown).toBe(dittofs("config", "show", "--data-dir", "/srv/x").out);
});

describe("a server on a fresh directory", () => {
  const dataDir = scratch("fresh/data");
  const copied = sample("copied", 3_000_000);
  let port = 0;

  test("serves an NFS client and gives the directory back when it stops", async () => {
    port = await freePort();
    const server = await Server.start({ dataDir, port });
    try {
      expect(command(["nfs-cp", copied, url(port, "/copied")]).status).toBe(0);
      expect(command(["nfs-ls", url(port)]).out).toMatch(/3000000 copied\n/);
    } finally {
      expect(await server.stop()).toBe(0);
    }
    expect(server.output).toContain(`nfs: accepting on 0.0.0.0:${port}\n`);
    expect(readFileSync(join(dataDir, "dittofs.pid"), "utf8")).toBe("");
  });

  test("refuses a second server on the same directory and names the first", async () => {
    const first = await Server.start({ dataDir, port });
    try {
      const { status, err } = dittofs("start", "--data-dir", dataDir, "--nfs-port", String(await freePort()));
      expect(status).toBe(1);
      expect(err).toBe(`error: ${dataDir} is in use by the server with pid ${first.process.pid}; give this one another --data-dir, or stop that one\n`);
      const look = dittofs("status", "--data-dir", dataDir, "-o", "json");
      expect(look.status).toBe(0);
      expect(JSON.parse(look.out)).toMatchObject({ running: true, state: "ready", pid: first.process.pid, listening: [{ protocol: "api" }, { protocol: "nfs", port }, { protocol: "smb" }], shares: [{ name: "/export" }] });
      expect(command(["nfs-ls", url(port)]).out).toMatch(/3000000 copied\n/);
    } finally {
      expect(await first.stop()).toBe(0);
    }
    expect(dittofs("status", "--data-dir", dataDir).status).toBe(3);
  });

  test("killed and started again, it has everything and the lock is free", async () => {
    const killed = await Server.start({ dataDir, port });
    const second = sample("second", 300_000);
    expect(command(["nfs-cp", second, url(port, "/second")]).status).toBe(0);
    await killed.kill();
    expect(dittofs("status", "--data-dir", dataDir).status).toBe(3);
    const again = await Server.start({ dataDir, port });
    try {
      for (const [path, name] of [[copied, "copied"], [second, "second"]] as const) {
        const back = scratch(`${name}.back`);
        expect(command(["nfs-cp", url(port, `/${name}`), back]).status).toBe(0);
        expect(readFileSync(back).equals(readFileSync(path))).toBe(true);
      }
      await again.printed(/recovered \/export: \d+ log records read/);
    } finally {
      expect(await again.stop()).toBe(0);
    }
  });

  test("a port that is taken is named", async () => {
    const first = await Server.start({ dataDir, port });
    try {
      const { status, err } = dittofs("start", "--data-dir", scratch("other"), "--nfs-port", String(port));
      expect(status).toBe(1);
      expect(err).toContain(`nfs can't listen on 0.0.0.0 port ${port}: another program listens there\n`);
    } finally {
      expect(await first.stop()).toBe(0);
    }
  });

  test("a block store or a log that isn't there, as on a disk that isn't mounted, is not begun anew", async () => {
    const share = join(dataDir, "shares/export");
    for (const [part, complaint] of [["blocks", `there is no block store in ${share}/blocks.`], ["log", `no write-ahead log in ${share}/log,`]] as const) {
      renameSync(join(share, part), scratch("away"));
      const { status, err } = dittofs("start", "--data-dir", dataDir, "--nfs-port", String(port));
      expect(status).toBe(1);
      expect(err).toContain(complaint);
      expect(existsSync(join(share, part))).toBe(false);
      renameSync(scratch("away"), join(share, part));
    }
    const server = await Server.start({ dataDir, port });
    try {
      expect(command(["nfs-ls", url(port)]).out).toMatch(/3000000 copied\n/);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  test("a data directory of a newer layout is refused", () => {
    const newer = scratch("newer");
    command(["mkdir", newer]);
    writeFileSync(join(newer, "FORMAT"), "dittofs data directory, layout 9\n");
    const { status, err } = dittofs("start", "--data-dir", newer);
    expect([status, err]).toEqual([1, `error: ${newer} has layout 9, made by a newer DittoFS; this one knows layouts up to 1. Nothing was changed.\n`]);
  });
});

describe("in the background", () => {
  const dataDir = scratch("background");
  const pidFile = scratch("background.pid");
  const logFile = scratch("background.log");

  test("--detach returns when the server is up, having said how to mount it, who may, and where the data is; stop ends it", async () => {
    const port = await freePort();
    detached.push(dataDir);
    const started = dittofs("start", "--detach", "--data-dir", dataDir, "--nfs-port", String(port), "--pid-file", pidFile, "--log-file", logFile);
    expect(started).toMatchObject({ status: 0, err: "" });
    expect(started.out).toContain(`nfs: accepting on 0.0.0.0:${port}\n`);
    expect(started.out).toContain(`sudo mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,port=${port},mountport=${port},nolock 127.0.0.1:/export /mnt\n`);
    expect(started.out).toContain("this machine only; let others in with --allow CIDR\n");
    expect(started.out).toContain(`data:  ${dataDir}\n`);
    expect(started.out).toContain(`stop --data-dir ${dataDir}\n`);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    const pid = readFileSync(pidFile, "utf8").trim();
    expect(started.out).toContain(`pid:   ${pid}\n`);
    expect(command(["nfs-ls", url(port)]).status).toBe(0);
    expect(readFileSync(logFile, "utf8")).toContain("starting");
    const again = dittofs("start", "--detach", "--data-dir", dataDir, "--nfs-port", String(port));
    expect([again.status, again.err]).toEqual([1, `error: ${dataDir} is in use by the server with pid ${pid}\n`]);
    expect(dittofs("stop", "--data-dir", dataDir)).toEqual({ status: 0, out: `stopped ${pid}\n`, err: "" });
    expect(existsSync(pidFile)).toBe(false);
    expect(dittofs("stop", "--data-dir", dataDir).status).toBe(3);
  });

  test("a detached server outlives SIGHUP and goes on in a new log file", async () => {
    const port = await freePort();
    expect(dittofs("start", "--detach", "--data-dir", dataDir, "--nfs-port", String(port)).status).toBe(0);
    const log = join(dataDir, "dittofs.log");
    expect(readFileSync(log, "utf8")).toContain("starting");
    renameSync(log, `${log}.1`);
    process.kill(Number(readFileSync(join(dataDir, "dittofs.pid"), "utf8")), "SIGHUP");
    expect(command(["nfs-ls", url(port)]).status).toBe(0);
    expect(dittofs("stop", "--data-dir", dataDir).status).toBe(0);
    expect(readFileSync(log, "utf8")).toContain("stopping");
    expect(readFileSync(`${log}.1`, "utf8")).not.toContain("stopping");
  });

  test("--detach says so when the server does not come up", async () => {
    const holder = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data() {} } });
    const failed = dittofs("start", "--detach", "--data-dir", dataDir, "--nfs-port", String(holder.port), "--log-file", logFile);
    holder.stop(true);
    expect(failed.status).toBe(1);
    expect(failed.err).toContain(`${logFile} says why\nerror: nfs can't listen on 0.0.0.0 port ${holder.port}: another program listens there\n`);
    expect(readFileSync(logFile, "utf8")).toContain("nfs can't listen on");
  });
});

test("SIGTERM under load answers what is in hand, keeps what was acknowledged and ends with 0", async () => {
  const dataDir = scratch("drain");
  const port = await freePort();
  const server = await Server.start({ dataDir, port, args: ["--server-shutdown-timeout", "10s"] });
  const client = await NfsClient.connect({ port });
  const directory = await client.mount("/export");
  let files = 0;
  const enough = Promise.withResolvers<void>();
  const working = (async () => {
    for (;;) {
      const { handle } = await client.create(directory, `f${files}`, { mode: 0o644 });
      await client.write(handle, 0, new TextEncoder().encode(`content of f${files}`), Stable.fileSync);
      files++;
      if (files === 200) enough.resolve();
    }
  })().catch(() => {});
  await enough.promise;
  expect(await server.stop()).toBe(0);
  await working;
  client.close();
  const again = await Server.start({ dataDir, port });
  try {
    const look = await NfsClient.connect({ port });
    const root = await look.mount("/export");
    for (let i = 0; i < files; i++) {
      const { handle } = await look.lookup(root, `f${i}`);
      expect((await look.readAll(handle)).toString()).toBe(`content of f${i}`);
    }
    look.close();
  } finally {
    expect(await again.stop()).toBe(0);
  }
});

test("a second signal ends the server at once", async () => {
  const server = await Server.start({ dataDir: scratch("signals"), port: await freePort() });
  server.process.kill("SIGTERM");
  server.process.kill("SIGTERM");
  // The first may be through before the second arrives.
  expect([0, 143]).toContain(await server.process.exited);
});

test("several servers side by side, by the environment", async () => {
  const ports = [await freePort(), await freePort()];
  const servers = await Promise.all(
    ports.map((port, i) => Server.start({ dataDir: scratch(`side-${i}`), port, env: { DITTOFS_CACHE_SIZE: "64MB", DITTOFS_CACHE_PATH: scratch(`cache-${i}`), DITTOFS_LOGGING_FORMAT: "json" } })),
  );
  const name = sample("side", 1000);
  expect(command(["nfs-cp", name, url(ports[0] ?? 0, "/side")]).status).toBe(0);
  expect(command(["nfs-ls", url(ports[1] ?? 0)]).out).not.toContain("side");
  expect(existsSync(scratch("cache-0/export/log"))).toBe(true);
  expect(await Promise.all(servers.map((server) => server.stop()))).toEqual([0, 0]);
  expect(servers[0]?.output).toContain('"level":"info"');
});

test("shares come from the file, with their own rules", async () => {
  const port = await freePort();
  const file = scratch("shares.yaml");
  writeFileSync(file, "shares:\n  - {name: /open, metadata: {type: memory}, blocks: {type: memory}}\n  - {name: /closed, allowed_clients: [10.9.8.7]}\n  - {name: /fixed, read_only: true}\n");
  const server = await Server.start({ dataDir: scratch("shares"), port, config: file });
  const at = (share: string, path = "") => url(port, path).replace("/export", share);
  try {
    const name = sample("small", 5000);
    expect(command(["nfs-cp", name, at("/open", "/small")]).status).toBe(0);
    expect(command(["nfs-ls", at("/open")]).out).toMatch(/5000 small\n/);
    expect(command(["nfs-ls", at("/closed")]).status).not.toBe(0);
    expect(command(["nfs-ls", at("/fixed")]).status).toBe(0);
    expect(command(["nfs-cp", name, at("/fixed", "/small")]).status).not.toBe(0);
    await server.printed("metadata.type is memory");
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

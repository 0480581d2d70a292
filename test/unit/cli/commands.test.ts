import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configTemplate } from "#config/index.ts";
import { commandsManPage, commandsPage } from "#cli/program.ts";
import { dittofs, instance } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

const directory = temporary("cli");

describe("help", () => {
  test.each([[], ["init"], ["start"], ["stop"], ["status"], ["version"], ["config", "show"], ["config", "validate"], ["config", "schema"], ["completion"]].map((words) => [words.join(" "), words]))(
    "of %p has an example",
    async (_, words) => {
      const { status, out } = await dittofs([...(words as string[]), "--help"]);
      expect(status).toBe(0);
      expect(out).toMatch(/Examples?:\n {2}(dittofs|source)/);
    },
  );

  test("unknown words and flags are wrong usage, with what was probably meant", async () => {
    const word = await dittofs(["statsu"]);
    expect([word.status, word.err]).toEqual([2, "error: unknown command 'statsu'\n(Did you mean status?)\n"]);
    const flag = await dittofs(["start", "--nfs-prot", "1"]);
    expect([flag.status, flag.err]).toEqual([2, "error: unknown option '--nfs-prot'\n(Did you mean --nfs-port?)\n"]);
    expect(flag.started).toBeNull();
  });
});

test("version", async () => {
  expect((await dittofs(["version"])).out).toStartWith("dittofs 1.2.3 (abc) ");
  expect((await dittofs(["--version"])).out).toBe("dittofs 1.2.3 (abc)\n");
  expect(JSON.parse((await dittofs(["version", "-o", "json"])).out)).toMatchObject({ version: "1.2.3", commit: "abc" });
});

describe("init", () => {
  const path = join(directory, "new", "config.yaml");
  test("writes the template and keeps what is there", async () => {
    expect(await dittofs(["init", "--config", path])).toMatchObject({ status: 0, out: `wrote ${path}\n` });
    expect(readFileSync(path, "utf8")).toBe(configTemplate());
    expect(await dittofs(["init", "--config", path])).toMatchObject({ status: 1, err: `error: ${path} is there already; --force overwrites it\n` });
    expect((await dittofs(["init", "--config", path, "--force"])).status).toBe(0);
  });
});

describe("config", () => {
  const bad = join(directory, "bad.yaml");
  test("show prints what is in force, and where it comes from", async () => {
    const { out } = await dittofs(["config", "show", "--data-dir", "/srv/d", "--nfs-port", "2049", "--allow", "10.0.0.0/8", "--allow", "::1", "--origins"]);
    expect(out).toContain("data_dir: /srv/d\n");
    expect(out).toContain("    port: 2049\n");
    expect(out).toContain('allowed_clients: ["10.0.0.0/8", "::1"]\n');
    expect(out).toContain("#   adapters.nfs.port: the flag --nfs-port\n");
    expect(JSON.parse((await dittofs(["config", "show", "--data-dir", "/srv/d", "-o", "json"])).out).data_dir).toBe("/srv/d");
  });
  test("validate names every mistake with status 2", async () => {
    await Bun.write(bad, "cache:\n  sise: 1\nx: 1\n");
    const { status, err } = await dittofs(["config", "validate", "--config", bad]);
    expect(status).toBe(2);
    expect(err).toStartWith(`error: ${bad}:2: cache.sise: unknown key; did you mean size? (`);
    expect(err).toContain(`error: ${bad}:3: x: unknown key (`);
    expect((await dittofs(["config", "validate", "--data-dir", "/srv/d"])).status).toBe(0);
  });
  test("schema is JSON", async () => {
    expect(JSON.parse((await dittofs(["config", "schema"])).out).properties.adapters.properties.nfs.properties.port).toMatchObject({ type: "integer", default: 12049 });
  });
});

describe("start", () => {
  test("hands on flags and prints ports, mount lines, data and how to stop", async () => {
    const { status, out, started } = await dittofs(["start", "--data-dir", "/srv/d", "--log-file", "/tmp/l", "--pid-file", "/tmp/p", "--nfs-portmapper-enabled"], null, async (_, { announce }) => {
      announce.recovered("/export", "3 log records");
      announce.listening({ protocol: "nfs", address: "0.0.0.0", port: 12049 });
      announce.listening({ protocol: "portmapper", address: "::", port: 111 });
      announce.ready(instance);
      return 0;
    });
    expect(status).toBe(0);
    expect(started?.options.pidFile).toBe("/tmp/p");
    expect(started?.loaded.config.logging.output).toBe("/tmp/l");
    expect(started?.loaded.config.adapters.nfs.portmapper.enabled).toBe(true);
    expect(out).toStartWith("recovered /export: 3 log records\nnfs: accepting on 0.0.0.0:12049\nportmapper: accepting on [::]:111\n");
    expect(out).toContain("sudo mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,port=12049,mountport=12049,nolock 127.0.0.1:/export /mnt\n");
    expect(out).toContain("sudo mount -t nfs -o vers=3,tcp,port=12049,mountport=12049,nolocks 127.0.0.1:/export ");
    expect(out).toContain("this machine only; let others in with --allow CIDR");
    expect(out).toContain("data:  /srv/d\n");
    expect(out).toContain("stop --data-dir /srv/d\n");
  });
  test("a wrong configuration is status 2 and starts nothing", async () => {
    const { status, started } = await dittofs(["start", "--data-dir", "/srv/d", "--nfs-port", "-1"]);
    expect([status, started]).toEqual([2, null]);
  });
  test("what is to be known is said once: by the server, and here where its log goes to a file", async () => {
    const path = join(directory, "forgets.yaml");
    await Bun.write(path, "shares: [{name: /a, metadata: {type: memory}}]");
    expect((await dittofs(["start", "--config", path, "--data-dir", "/srv/d"])).err).toBe("");
    expect((await dittofs(["start", "--config", path, "--data-dir", "/srv/d", "--log-file", "/tmp/l"])).err).toStartWith("warning: share /a: metadata.type is memory");
  });
  test("what goes wrong is a sentence", async () => {
    const failing = () => Promise.reject(new Error("/srv/d is in use by the server with pid 3"));
    expect(await dittofs(["start", "--data-dir", "/srv/d"], null, failing)).toMatchObject({ status: 1, err: "error: /srv/d is in use by the server with pid 3\n" });
  });
});

describe("status and stop", () => {
  test("no server: 3", async () => {
    expect(await dittofs(["status", "--data-dir", "/srv/d"])).toMatchObject({ status: 3, out: "no server runs on /srv/d\n" });
    expect((await dittofs(["stop", "--data-dir", "/srv/d"])).status).toBe(3);
    expect(JSON.parse((await dittofs(["status", "--data-dir", "/srv/d", "-o", "json"])).out)).toEqual({ running: false, dataDirectory: "/srv/d" });
  });
  test("a server: 0, with its ports and shares", async () => {
    const { status, out } = await dittofs(["status", "--data-dir", "/srv/d"], instance);
    expect(status).toBe(0);
    expect(out).toContain("pid      4711\n");
    expect(out).toContain("nfs      0.0.0.0:12049\n");
    expect(out).toContain("/export  sqlite    filesystem  local       read-write  this machine only");
    expect(JSON.parse((await dittofs(["status", "--data-dir", "/srv/d", "-o", "json"], instance)).out)).toMatchObject({ running: true, pid: 4711 });
  });
  test("the address the server listens on is this machine", async () => {
    const bound = { ...instance, listening: [{ protocol: "nfs", address: "192.168.1.5", port: 12049 }], shares: instance.shares.map((share) => ({ ...share, allowedClients: ["127.0.0.0/8", "::1", "192.168.1.5"] })) };
    expect((await dittofs(["status", "--data-dir", "/srv/d"], bound)).out).toContain("read-write  this machine only");
  });
  test("a process id that is not known is not signalled: 0 would be everything around this command", async () => {
    const signalled: unknown[] = [];
    const kill = process.kill;
    process.kill = (pid) => {
      signalled.push(pid);
      return true;
    };
    try {
      expect((await dittofs(["stop", "--data-dir", "/srv/d"], { ...instance, pid: 0 })).status).toBe(1);
    } finally {
      process.kill = kill;
    }
    expect(signalled).toEqual([]);
  });
  test("a time-out that is none is wrong usage", async () => {
    expect((await dittofs(["stop", "--data-dir", "/srv/d", "--timeout", "soon"], instance)).status).toBe(2);
  });
});

test.each([["commands.md", commandsPage], ["dittofs.1", commandsManPage]] as const)("%s is up to date", (name, made) => {
  expect(readFileSync(join(import.meta.dir, "../../../docs/reference", name), "utf8")).toBe(made());
});

import { afterAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Admin, request } from "../../support/admin.ts";
import { NfsClient } from "../../support/nfs-client.ts";
import { Certificates } from "../../support/certificates.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** Starts with a control plane: the first one, later ones, and those that must be refused. */

const directory = temporaryDirectory("start");
const scratch = (name: string): string => join(directory.path, name);
const noPassword = { DITTOFS_ADMIN_INITIAL_PASSWORD: "" };
const generated = /^password: +([a-z0-9]{5}(?:-[a-z0-9]{5}){3}) /m;

afterAll(() => directory.remove());

function dittofs(args: readonly string[], env: Readonly<Record<string, string>> = {}): { readonly status: number; readonly out: string; readonly err: string } {
  const result = Bun.spawnSync([binaryPath(), ...args], { env: { ...Bun.env, ...serverEnvironment, XDG_CONFIG_HOME: scratch("config"), ...env }, stdin: "ignore" });
  return { status: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

/** A start that must be refused; its complaint. */
function refused(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { status, err } = dittofs(["start", "--nfs-port", "0", ...args], env);
  expect(status).toBe(1);
  return err.split("\n").filter((line) => line.startsWith("error: ")).join("\n");
}

/** The same with a terminal to write to; what it wrote. */
async function atTerminal(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ readonly status: number; readonly out: string }> {
  const chunks: Uint8Array[] = [];
  await using terminal = new Bun.Terminal({ cols: 200, rows: 50, data: (_, data) => void chunks.push(data.slice()) });
  const child = Bun.spawn([binaryPath(), ...args], { env: { ...Bun.env, ...serverEnvironment, XDG_CONFIG_HOME: scratch("config"), ...env }, terminal });
  const written = (): string => Buffer.concat(chunks).toString().replaceAll("\r\n", "\n");
  const status = await child.exited;
  // What it wrote last may still be on its way.
  if (status === 0) await until("the last line of a start", 5_000, () => (/^log: .*\n/m.test(written()) ? true : null));
  return { status, out: written() };
}

describe("the first start", () => {
  const dataDir = scratch("first");
  const passwordFile = join(dataDir, "admin-password");
  let password = "";

  test("keeps the administrator's password in a file for this user alone, and writes it neither to the log nor to a pipe that may be one", async () => {
    const server = await Server.start({ dataDir, port: await freePort(), env: noPassword, args: ["--log-output", scratch("first.log")] });
    try {
      const order = server.output.match(/^(api|nfs): accepting/gm);
      expect(order).toEqual(["api: accepting", "nfs: accepting"]);
      await server.printed(/^ready$/m);
      password = readFileSync(passwordFile, "utf8").trim();
      expect(password).toMatch(/^[a-z0-9]{5}(-[a-z0-9]{5}){3}$/);
      expect(server.output).toContain(`password:      in ${passwordFile}, to be changed at the first log-in\n`);
      expect(server.output).not.toContain(password);
      expect(server.output).toContain("shares taken over: /export.");
      expect(server.output).toMatch(/^api: +http:\/\/127\.0\.0\.1:\d+ \(documentation: http:\/\/127\.0\.0\.1:\d+\/api\/docs\)$/m);
      expect([readFileSync(passwordFile, "utf8"), statSync(passwordFile).mode & 0o777]).toEqual([`${password}\n`, 0o600]);
      expect(statSync(join(dataDir, "controlplane.secret")).mode & 0o777).toBe(0o600);
      expect(statSync(join(dataDir, "controlplane.db")).mode & 0o777).toBe(0o600);
      const log = readFileSync(scratch("first.log"), "utf8");
      expect(log).toContain("first start of this control plane");
      expect(log).toContain("made a random control-plane secret");
      for (const secret of [password, readFileSync(join(dataDir, "controlplane.secret"), "utf8").trim()]) expect(log).not.toContain(secret);
      expect((await fetch(`${server.apiUrl}/api/docs`)).status).toBe(200);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  test("the second says nothing of it; the password has to be changed, and then its file goes", async () => {
    const server = await Server.start({ dataDir, port: await freePort(), env: noPassword });
    try {
      await server.printed(/^ready$/m);
      expect(server.output).not.toContain("administrator:");
      expect(existsSync(passwordFile)).toBe(true);
      const admin = await Admin.at(server, "admin", password);
      expect((await admin.ask("GET", "/api/v1/shares")).body.code).toBe("password_change_required");
      const changed = await admin.do("POST", "/api/v1/users/me/password", { current_password: password, new_password: "another horse battery" });
      expect(existsSync(passwordFile)).toBe(false);
      expect((await new Admin(server.apiUrl, changed.access_token).ask("GET", "/api/v1/shares")).status).toBe(200);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  test("in the background: the password comes out at the terminal, and is not in the log", async () => {
    const data = scratch("detached");
    const started = await atTerminal(["start", "--detach", "--data-dir", data, "--nfs-port", "0"], noPassword);
    try {
      expect(started.status).toBe(0);
      const shown = generated.exec(started.out)?.[1] ?? "";
      expect(readFileSync(join(data, "admin-password"), "utf8")).toBe(`${shown}\n`);
      expect(readFileSync(join(data, "dittofs.log"), "utf8")).not.toContain(shown);
      const { listening } = JSON.parse(dittofs(["status", "--data-dir", data, "-o", "json"]).out) as { listening: readonly { protocol: string }[] };
      expect(listening.map((at) => at.protocol)).toEqual(["api", "nfs", "smb"]);
      expect(dittofs(["user", "password", "--reset", "--offline", "--data-dir", data]).err).toContain("a server runs on");
    } finally {
      dittofs(["stop", "--data-dir", data]);
    }
  });

  test("in the background, started by a script: the password is in its file alone", () => {
    const data = scratch("scripted");
    const started = dittofs(["start", "--detach", "--data-dir", data, "--nfs-port", "0"], noPassword);
    try {
      expect(started.status).toBe(0);
      const kept = readFileSync(join(data, "admin-password"), "utf8").trim();
      expect(started.out).toContain(`password:      in ${join(data, "admin-password")}, `);
      for (const text of [started.out, started.err, readFileSync(join(data, "dittofs.log"), "utf8")]) expect(text).not.toContain(kept);
    } finally {
      dittofs(["stop", "--data-dir", data]);
    }
  });

  test("a lost administrator gets a new password while the server is stopped", async () => {
    const data = scratch("detached");
    const reset = dittofs(["user", "password", "--reset", "--offline", "--data-dir", data]);
    expect(reset.status).toBe(0);
    const found = /([a-z0-9]{5}(?:-[a-z0-9]{5}){3})/.exec(reset.out)?.[1] ?? "";
    expect(existsSync(join(data, "admin-password"))).toBe(false);
    const server = await Server.start({ dataDir: data, port: await freePort() });
    try {
      expect((await (await Admin.at(server, "admin", found)).do("GET", "/api/v1/auth/me")).must_change_password).toBe(true);
    } finally {
      await server.stop();
    }
  });

  test("with a given password nothing has to be changed, and nothing is written", async () => {
    const server = await Server.start({ dataDir: scratch("given"), port: await freePort() });
    try {
      await server.printed(/^ready$/m);
      expect(server.output).toContain("password:      as it was given\n");
      expect(existsSync(scratch("given/admin-password"))).toBe(false);
      expect((await (await Admin.at(server)).ask("GET", "/api/v1/shares")).status).toBe(200);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });
});

describe("shares of the configuration file", () => {
  const dataDir = scratch("import");
  const config = scratch("import.yaml");

  test("are taken over once; then the control plane rules, and a file that says otherwise is warned of", async () => {
    const place = scratch("import-blocks");
    writeFileSync(config, `shares:\n  - name: /one\n    squash: none\n    allowed_clients: [127.0.0.1, 10.0.0.0/8]\n    blocks: {path: ${place}}\n  - name: /two\n    read_only: true\n`);
    const port = await freePort();
    const first = await Server.start({ dataDir, port, config });
    let admin = await Admin.at(first);
    expect((await admin.do("GET", "/api/v1/shares?sort=name")).items).toMatchObject([
      { name: "/one", squash: "none", allowed_clients: ["127.0.0.1", "10.0.0.0/8"], default_permission: "read-write" },
      { name: "/two", read_only: true, allowed_clients: null },
    ]);
    const client = await NfsClient.connect({ port });
    await client.create(await client.mount("/one"), "file", {});
    await admin.do("PUT", "/api/v1/shares/two", { read_only: false });
    expect(await first.stop()).toBe(0);
    expect(existsSync(join(place, "format"))).toBe(true);

    writeFileSync(config, "shares:\n  - name: /three\n");
    const second = await Server.start({ dataDir, port, config });
    admin = await Admin.at(second);
    expect((await admin.do("GET", "/api/v1/shares?sort=name")).items.map((share: { name: string }) => share.name)).toEqual(["/one", "/two"]);
    await second.printed("shares of the configuration file differ from those of the control plane, which rules since its first start: /three");
    await client.reconnect();
    await client.lookup(await client.mount("/one"), "file");
    expect(await second.stop()).toBe(0);
    client.close();
  });

  test("a key of an adapter that this run gives overrides its row, and is shown as such", async () => {
    const server = await Server.start({ dataDir, port: await freePort(), env: { DITTOFS_ADAPTERS_NFS_MAX_READ_SIZE: "64KiB" } });
    const admin = await Admin.at(server);
    const { overridden } = await admin.do("GET", "/api/v1/adapters/nfs");
    expect(overridden).toEqual(expect.arrayContaining(["port"]));
    await server.stop();
  });
});

describe("a start is refused, and nothing changed, with", () => {
  test("the wrong secret, or one that is too short", async () => {
    const dataDir = scratch("secret");
    const right = "0123456789abcdef0123456789abcdef";
    const server = await Server.start({ dataDir, port: await freePort(), env: { DITTOFS_CONTROLPLANE_SECRET: right } });
    expect(await server.stop()).toBe(0);
    expect(existsSync(join(dataDir, "controlplane.secret"))).toBe(false);
    const wrong = refused(["--data-dir", dataDir], { DITTOFS_CONTROLPLANE_SECRET: "f".repeat(32) });
    expect(wrong).toContain("the control-plane database was made with another secret");
    expect(wrong).not.toContain("f".repeat(32));
    expect(refused(["--data-dir", dataDir])).toContain("the control-plane database was made with a secret that is not here");
    const { status, err } = dittofs(["start", "--data-dir", dataDir], { DITTOFS_CONTROLPLANE_SECRET: "only thirty-one characters long" });
    expect([status, err]).toEqual([2, expect.stringContaining("a secret of 31 characters is too short")]);
    const again = await Server.start({ dataDir, port: await freePort(), env: { DITTOFS_CONTROLPLANE_SECRET: right } });
    await Admin.at(again);
    expect(await again.stop()).toBe(0);
  });

  test("a database of a newer program", async () => {
    const dataDir = scratch("newer");
    const server = await Server.start({ dataDir, port: await freePort() });
    expect(await server.stop()).toBe(0);
    const db = new Database(join(dataDir, "controlplane.db"));
    db.run("INSERT INTO schema_migrations (number, name, hash, applied_at) VALUES (999, 'from-the-future', 'x', 0)");
    for (let i = 2; i < 999; i++) db.run(`INSERT OR IGNORE INTO schema_migrations (number, name, hash, applied_at) VALUES (${i}, 'step', 'x', 0)`);
    db.close();
    expect(refused(["--data-dir", dataDir])).toMatch(/controlplane\.db has schema 999 .*Start the newer program/);
  });

  test("the REST interface's port taken", async () => {
    const holder = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const complaint = refused(["--data-dir", scratch("taken"), "--controlplane-port", String(holder.port)]);
    holder.stop(true);
    expect(complaint).toContain(`cannot listen on 127.0.0.1:${holder.port} for the REST interface: something else does`);
  });

  test("the NFS port taken, which is found out only when the REST interface accepts: that comes first", async () => {
    const holder = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { status, out, err } = dittofs(["start", "--data-dir", scratch("nfs-taken"), "--bind", "127.0.0.1", "--nfs-port", String(holder.port)]);
    holder.stop(true);
    expect(status).toBe(1);
    expect(out).toContain("api: accepting on ");
    expect(out).not.toContain("nfs: accepting on ");
    expect(err).toContain(`nfs can't listen on 127.0.0.1 port ${holder.port}`);
  });

  test("no share that can be opened", async () => {
    const dataDir = scratch("broken");
    const server = await Server.start({ dataDir, port: await freePort() });
    expect(await server.stop()).toBe(0);
    rmSync(join(dataDir, "shares/export/log"), { recursive: true });
    expect(refused(["--data-dir", dataDir])).toContain("no write-ahead log in");
    expect(existsSync(join(dataDir, "shares/export/log"))).toBe(false);
    mkdirSync(join(dataDir, "shares/export/log"));
    const again = await Server.start({ dataDir, port: await freePort() });
    expect(await again.stop()).toBe(0);
  });
});

test("where some shares can't be opened the others are served, and health says so", async () => {
  const dataDir = scratch("some");
  const port = await freePort();
  const first = await Server.start({ dataDir, port });
  await (await Admin.at(first)).do("POST", "/api/v1/shares", { name: "/other", default_permission: "read-write" });
  expect(await first.stop()).toBe(0);
  rmSync(join(dataDir, "shares/other/log"), { recursive: true });
  const second = await Server.start({ dataDir, port });
  try {
    const admin = await Admin.at(second);
    expect((await admin.do("GET", "/api/v1/shares/other")).state).toBe("failed");
    expect((await admin.do("GET", "/api/v1/shares/other")).error).toContain("no write-ahead log");
    const health = await request(second.apiUrl, "GET", "/health/ready", undefined, {});
    expect([health.status, health.body.status]).toEqual([200, "degraded"]);
    const client = await NfsClient.connect({ port });
    await client.getattr(await client.mount("/export"));
    await expect(client.mount("/other")).rejects.toThrow();
    mkdirSync(join(dataDir, "shares/other/log"));
    await admin.do("POST", "/api/v1/shares/other/enable");
    expect((await admin.do("GET", "/api/v1/shares/other")).state).toBe("serving");
    await client.mount("/other");
    client.close();
    await second.printed("a share is not served");
  } finally {
    expect(await second.stop()).toBe(0);
  }
});

test("over TLS: the certificate is read again at SIGHUP, and clients without one of theirs are kept out where they need one", async () => {
  const files = scratch("tls");
  mkdirSync(files);
  const certificates = new Certificates(files);
  certificates.authority("ca");
  for (const name of ["first", "second", "client"]) certificates.signed(name, "ca");
  const serve = (name: string): void => {
    for (const kind of ["pem", "key"]) writeFileSync(join(files, `live.${kind}`), certificates.read(`${name}.${kind}`));
  };
  serve("first");
  const tls = { DITTOFS_CONTROLPLANE_TLS_CERT_FILE: join(files, "live.pem"), DITTOFS_CONTROLPLANE_TLS_KEY_FILE: join(files, "live.key"), DITTOFS_CONTROLPLANE_TLS_CLIENT_CA: join(files, "ca.pem") };
  const server = await Server.start({ dataDir: scratch("tls-data"), port: await freePort(), env: tls, args: ["--log-output", scratch("tls.log")] });
  try {
    await server.printed(/^ready$/m);
    expect(server.output).toMatch(/^api: +https:\/\/127\.0\.0\.1:\d+ /m);
    const port = Number(new URL(server.apiUrl).port);
    const own = { cert: certificates.read("client.pem"), key: certificates.read("client.key") };
    expect(await servedName(port, certificates.read("ca.pem"), own)).toBe("first");
    await expect(servedName(port, certificates.read("ca.pem"), {})).rejects.toThrow();
    serve("second");
    server.process.kill("SIGHUP");
    // A connection that the old listener had not accepted yet is reset; clients try again.
    const asked = () => servedName(port, certificates.read("ca.pem"), own).catch(() => "");
    await until("the new certificate", 10_000, async () => ((await asked()) === "second" ? true : null));
    writeFileSync(join(files, "live.key"), "no key");
    server.process.kill("SIGHUP");
    await until("a complaint", 10_000, () => (readFileSync(scratch("tls.log"), "utf8").includes("keeps the certificate it had") ? true : null));
    expect(await servedName(port, certificates.read("ca.pem"), own)).toBe("second");
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

/** The name in the certificate that is served, once a call was answered. */
async function servedName(port: number, ca: string, own: { readonly cert?: string; readonly key?: string }): Promise<string> {
  const { connect } = await import("node:tls");
  return await new Promise((done, fail) => {
    const socket = connect({ host: "127.0.0.1", port, ca, ...own }, () => socket.write("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"));
    let answered = "";
    socket.on("data", (chunk) => {
      answered += chunk.toString();
    });
    socket.on("end", () => {
      if (answered.startsWith("HTTP/1.1 200")) done(String(subject));
      else fail(new Error(`no answer: ${answered.slice(0, 100)}`));
    });
    let subject: unknown = "";
    socket.on("secureConnect", () => {
      subject = socket.getPeerCertificate().subject.CN;
    });
    socket.on("error", fail);
  });
}

test("backup and restore bring back what was, checked, and not beside a server", async () => {
  const dataDir = scratch("backup");
  const file = scratch("control.backup");
  const port = await freePort();
  const first = await Server.start({ dataDir, port });
  await (await Admin.at(first)).do("POST", "/api/v1/shares", { name: "/before" });
  expect(dittofs(["backup", "controlplane", "--output", file, "--data-dir", dataDir]).status).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await (await Admin.at(first)).do("POST", "/api/v1/shares", { name: "/after" });
  const beside = dittofs(["restore", "controlplane", "--input", file, "--data-dir", dataDir, "--yes"]);
  expect([beside.status, beside.err]).toEqual([1, expect.stringContaining("a server runs on")]);
  const loggedIn = await Admin.at(first);
  expect(dittofs(["restore", "controlplane", "--input", file, "--data-dir", dataDir, "--force"]).status).toBe(0);
  await until("the session's end", 5000, async () => ((await loggedIn.ask("GET", "/api/v1/shares")).status === 401 ? true : null));
  const listed = async () => (await (await Admin.at(first)).do("GET", "/api/v1/shares?sort=name")).items.map((share: { name: string }) => share.name);
  await until("the shares of the backup", 5000, async () => ((await listed()).join() === "/before,/export" ? true : null));
  expect(await first.stop()).toBe(0);
  const database = join(dataDir, "controlplane.db");
  const sound = readFileSync(database);
  for (const spoil of [() => Buffer.from("junk"), () => Buffer.concat([sound.subarray(0, 4096), Buffer.alloc(24_000, 0x5a), sound.subarray(28_096)])]) {
    writeFileSync(database, spoil());
    expect(refused(["--data-dir", dataDir])).toContain(database);
    const saved = dittofs(["restore", "controlplane", "--input", file, "--data-dir", dataDir, "--yes"]);
    expect([saved.status, saved.out]).toEqual([0, expect.stringContaining(`what was there is in ${database}.replaced-`)]);
    rmSync(/is in (\S+)/.exec(saved.out)?.[1] ?? "");
  }
  const damaged = scratch("damaged.backup");
  writeFileSync(damaged, readFileSync(file, "utf8").replace("/before", "/befxre"));
  expect(dittofs(["restore", "controlplane", "--input", damaged, "--data-dir", dataDir, "--yes"]).status).toBe(1);
  expect(dittofs(["restore", "controlplane", "--input", file, "--data-dir", dataDir, "--yes"]).status).toBe(0);
  const second = await Server.start({ dataDir, port });
  const names = (await (await Admin.at(second)).do("GET", "/api/v1/shares?sort=name")).items.map((share: { name: string }) => share.name);
  expect(names).toEqual(["/before", "/export"]);
  expect(await second.stop()).toBe(0);
  expect(dittofs(["settings", "rotate-secret", "--data-dir", dataDir, "--yes"]).status).toBe(0);
  expect(dittofs(["restore", "controlplane", "--input", file, "--data-dir", dataDir, "--yes"]).err).toContain("another control-plane secret");
  const third = await Server.start({ dataDir, port });
  await Admin.at(third);
  expect(await third.stop()).toBe(0);
});

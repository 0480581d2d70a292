import { spawnSync } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { type Handle, NfsClient } from "../../support/nfs-client.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { temporaryDirectory } from "../../support/server.ts";
import { type Ran, smbclient, smbclientMissing, type SmbclientOptions, trySmbclient } from "../../support/smbclient.ts";

/** smbclient against the compiled server, and the same files over NFS at the same time. */

if (smbclientMissing !== null) console.log(`smbclient: skipped, ${smbclientMissing}`);

const directory = temporaryDirectory("smbclient");
const local = (...path: string[]): string => join(directory.path, ...path);
const filesMany = 1000;
const minuteMs = 60_000;
const noise = Buffer.from(new SeededRandom(11).bytes(2_000_003));
let target: Target;
let nfs: NfsClient;
let root: Handle;

const at = (more: Partial<SmbclientOptions> = {}): SmbclientOptions => ({ port: target.port, share: targetShare, ...more });
const run = (commands: string, more: Partial<SmbclientOptions> = {}): Promise<string> => smbclient(at(more), commands);
const attempt = (commands: string, more: Partial<SmbclientOptions> = {}): Promise<Ran> => trySmbclient(at(more), commands);

/** The whole content of a file over NFS. */
async function overNfs(...path: string[]): Promise<Buffer> {
  let handle = root;
  for (const name of path) handle = (await nfs.lookup(handle, name)).handle;
  const parts: Buffer[] = [];
  for (let offset = 0; ; ) {
    const { data, eof } = await nfs.read(handle, offset, 65_536);
    parts.push(data);
    offset += data.length;
    if (eof) return Buffer.concat(parts);
  }
}

// Skipped where smbclient is not installed; the reason is printed above.
describe.skipIf(smbclientMissing !== null)("smbclient", () => {
  beforeAll(async () => {
    target = await startTarget();
    nfs = await NfsClient.connect({ port: target.server.port, credentials: { uid: 1000, gid: 1000 } });
    root = await nfs.mount(`/${targetShare}`);
    mkdirSync(local("many"));
    for (let i = 0; i < filesMany; i++) writeFileSync(local("many", `file-${i}`), noise.subarray(i, i + (i * 37) % 5000));
  }, 3 * minuteMs);

  afterAll(async () => {
    nfs?.close();
    await target?.stop();
    directory.remove();
  });

  test("puts files that NFS reads byte for byte, and gets those that NFS wrote", async () => {
    for (const size of [0, 1, 4095, 65_536, 1_048_577, 2_000_003]) {
      writeFileSync(local("up"), noise.subarray(0, size));
      await run(`put ${local("up")} up-${size}; get up-${size} ${local("down")}`);
      expect(readFileSync(local("down")).equals(noise.subarray(0, size))).toBe(true);
      expect((await overNfs(`up-${size}`)).equals(noise.subarray(0, size))).toBe(true);
    }
    const made = await nfs.create(root, "by-nfs", { mode: 0o644 });
    await nfs.write(made.handle!, 0, noise.subarray(0, 60_000), 2);
    await run(`get by-nfs ${local("by-nfs")}`);
    expect(readFileSync(local("by-nfs")).equals(noise.subarray(0, 60_000))).toBe(true);
  });

  test(`puts ${filesMany} files at once, counts them, and takes them away`, async () => {
    await run("mkdir many; cd many; prompt; mput file-*", { cwd: local("many"), limitMs: minuteMs });
    const listed = (await run("cd many; ls")).match(/^ {2}file-\d+ /gm);
    expect(listed).toHaveLength(filesMany);
    for (const i of [0, 7, 500, filesMany - 1]) expect((await overNfs("many", `file-${i}`)).equals(readFileSync(local("many", `file-${i}`)))).toBe(true);
    expect(await run("du")).toContain("Total number of bytes:");
    await run("deltree many");
    await expect(nfs.lookup(root, "many")).rejects.toThrow();
  }, 2 * minuteMs);

  test("puts a tree in with tar, and takes it out again", async () => {
    mkdirSync(local("tree/one/two"), { recursive: true });
    writeFileSync(local("tree/one/a"), "a");
    writeFileSync(local("tree/one/two/b"), noise.subarray(0, 300_000));
    spawnSync(["tar", "cf", local("in.tar"), "tree"], { cwd: directory.path });
    await run(`tar x ${local("in.tar")}`);
    expect((await overNfs("tree", "one", "two", "b")).equals(noise.subarray(0, 300_000))).toBe(true);
    await run(`tar c ${local("out.tar")} tree`);
    mkdirSync(local("out"));
    expect(spawnSync(["tar", "xf", local("out.tar"), "-C", local("out")]).exitCode).toBe(0);
    expect(readFileSync(local("out/tree/one/two/b")).equals(noise.subarray(0, 300_000))).toBe(true);
    expect(readFileSync(local("out/tree/one/a"), "utf8")).toBe("a");
  });

  test("renames, and says all it knows of a file", async () => {
    writeFileSync(local("up"), "renamed");
    await run(`mkdir from; mkdir to; put ${local("up")} from/a; rename from/a to/b`);
    expect((await overNfs("to", "b")).toString()).toBe("renamed");
    const facts = (await attempt("allinfo to/b")).text;
    for (const word of [/create_time: /, /write_time: /, /attributes: A \(20\)/, /stream: \[::\$DATA\], 7 bytes/]) expect(facts).toMatch(word);
    expect((await attempt("rename to/b to/nowhere/c")).text).toContain("NT_STATUS_OBJECT_PATH_NOT_FOUND");
  });

  test("finds names in any case, and keeps the case they were made with", async () => {
    writeFileSync(local("up"), "case");
    await run(`put ${local("up")} CamelCase; get camelCASE ${local("down")}`);
    expect(readFileSync(local("down"), "utf8")).toBe("case");
    expect(await run("ls camelcase")).toContain("CamelCase");
  });

  for (const dialect of ["SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"]) {
    test(`speaks ${dialect}`, async () => {
      const args = ["--option", `client min protocol=${dialect}`, "--option", `client max protocol=${dialect}`];
      writeFileSync(local("up"), noise.subarray(0, 200_000));
      for (const more of dialect.startsWith("SMB3") ? [[], ["--client-protection=sign"], ["--client-protection=encrypt"]] : [[], ["--client-protection=sign"]]) {
        await run(`put ${local("up")} ${dialect}; get ${dialect} ${local("down")}; rm ${dialect}`, { args: [...args, ...more] });
        expect(readFileSync(local("down")).equals(noise.subarray(0, 200_000))).toBe(true);
      }
    });
  }

  test("lists the shares, and not those that are not for SMB", async () => {
    await target.admin.do("POST", "/api/v1/shares", { name: "/hidden", protocols: { nfs: true, smb: false } });
    const { text } = await trySmbclient({ port: target.port, share: "IPC$", args: ["-L", "127.0.0.1"] }, "");
    expect(text).toMatch(/^\s+share +Disk/m);
    expect(text).not.toMatch(/hidden/);
    expect((await attempt("ls", { share: "hidden" })).text).toContain("NT_STATUS_ACCESS_DENIED");
    expect((await attempt("ls", { share: "nothing" })).text).toContain("NT_STATUS_BAD_NETWORK_NAME");
  });

  test("lists to whoever comes without a name the shares that let him in, and names nobody", async () => {
    await target.admin.do("POST", "/api/v1/shares", { name: "/open", smb_guest: true, default_permission: "read" });
    const { text } = await attempt("", { share: "IPC$", user: null, args: ["-L", "127.0.0.1"] });
    expect(text).toMatch(/^\s+open +Disk/m);
    expect(text).not.toMatch(/^\s+share +Disk/m);
    expect(await run("ls", { share: "open", user: null })).toContain("blocks available");
    const named = spawnSync(["rpcclient", "-p", String(target.port), "-U", "%", "127.0.0.1", "-c", "lookupnames alice"], { timeout: 20_000, env: { ...Bun.env, SMB_CONF_PATH: "/dev/null" } });
    expect(named.stdout.toString()).toMatch(/NONE_MAPPED/);
    await target.admin.do("DELETE", "/api/v1/shares/open?force=true");
  });

  test("answers what Explorer and rpcclient ask of the server and its shares", async () => {
    const asked = ["srvinfo", "netshareenumall 1", `netsharegetinfo ${targetShare} 1005`, `netsharegetinfo ${targetShare} 2`, "netsharegetinfo nothing 1", "netremotetod", "wkssvc_wkstagetinfo 101", "lookupnames alice"];
    const answers: string[] = [];
    for (const one of asked) {
      const ran = spawnSync(["rpcclient", "-p", String(target.port), "-U", `${targetUser}%${targetPassword}`, "127.0.0.1", "-c", one], { timeout: 20_000, env: { ...Bun.env, SMB_CONF_PATH: "/dev/null" } });
      answers.push(`${one}: ${ran.exitCode} ${ran.stdout.toString()}`);
    }
    expect(answers).toEqual([
      expect.stringMatching(/: 0 [^]*os version\s+:\s+10\.0/),
      expect.stringMatching(/: 0 [^]*netname: share/),
      expect.stringMatching(/: 0 [^]*flags: 0x0/),
      expect.stringContaining("WERR_ACCESS_DENIED"),
      expect.stringMatching(/WERR_(NERR_NETNAMENOTFOUND|NET_NAME_NOT_FOUND)|code 0x00000906/),
      expect.stringMatching(/: 0 $/),
      expect.stringMatching(/: 0 $/),
      expect.stringContaining("alice S-1-22-1-1000 (User: 1)"),
    ]);
  });
});

import { type Subprocess, spawn } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { type Handle, NfsClient } from "../../support/nfs-client.ts";
import { smbclient, smbclientMissing } from "../../support/smbclient.ts";
import { until } from "../../support/wait.ts";

/** Changes over NFS and SMB reach a client that watches a directory over SMB, against the compiled server. */

if (smbclientMissing !== null) console.log(`notify: skipped, ${smbclientMissing}`);

const minuteMs = 60_000;
const toldMs = 10_000;
let target: Target;
let nfs: NfsClient;
let root: Handle;
let watcher: Subprocess<"pipe", "pipe", "inherit">;
let told = "";

async function collect(): Promise<void> {
  for await (const chunk of watcher.stdout) told += new TextDecoder().decode(chunk);
}

/** Lines of `smbclient notify` since the last call, once `last` is among them. */
async function toldUntil(last: string): Promise<readonly string[]> {
  await until(`"${last}" is told`, toldMs, () => told.includes(`${last}\n`) || null);
  const lines = told.split("\n").filter((line) => /^[0-9a-f]{4} /.test(line));
  told = "";
  return lines;
}

// Skipped where smbclient is not installed; the reason is printed above.
describe.skipIf(smbclientMissing !== null)("a directory watched over SMB", () => {
  beforeAll(async () => {
    target = await startTarget();
    nfs = await NfsClient.connect({ port: target.server.port, credentials: { uid: 1000, gid: 1000 } });
    root = await nfs.mount(`/${targetShare}`);
    await nfs.mkdir(root, "watched", { mode: 0o755 });
    // Into a pipe it would print only once it has a page full.
    const command = ["stdbuf", "-oL", "smbclient", `//127.0.0.1/${targetShare}`, "-p", String(target.port), `-U${targetUser}%${targetPassword}`, "-c", "notify watched"];
    watcher = spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    void collect();
  }, 3 * minuteMs);

  afterAll(async () => {
    watcher?.kill();
    nfs?.close();
    await target?.stop();
  });

  test("tells what NFS and SMB clients do in it and beneath it", async () => {
    const watched = (await nfs.lookup(root, "watched")).handle;
    let probes = 0;
    await until("the client watches", toldMs, async () => {
      await nfs.create(watched, `probe-${probes++}`, { mode: 0o644 });
      return told.includes("probe-") || null;
    });
    await toldUntil(`0001 probe-${probes - 1}`);
    const inner = (await nfs.mkdir(watched, "inner", { mode: 0o755 })).handle!;
    const file = (await nfs.create(inner, "what?", { mode: 0o644 })).handle!;
    await nfs.write(file, 0, Buffer.from("content"), 2);
    await nfs.rename(inner, "what?", inner, "so");
    await nfs.rename(inner, "so", watched, "moved");
    await nfs.remove(watched, "moved");
    const lines = await toldUntil("0002 moved");
    expect(lines).toEqual(["0001 inner", "0001 inner\\what\uf025", "0003 inner\\what\uf025", "0004 inner\\what\uf025", "0005 inner\\so", "0002 inner\\so", "0001 moved", "0002 moved"]);
    await smbclient({ port: target.port, share: targetShare }, "mkdir watched\\by-smb; rmdir watched\\by-smb");
    expect(await toldUntil("0002 by-smb")).toEqual(["0001 by-smb", "0002 by-smb"]);
  }, 3 * minuteMs);

  test("tells nothing of what is in directories the watching user may not list", async () => {
    const watched = (await nfs.lookup(root, "watched")).handle;
    const shared = (await nfs.mkdir(watched, "shared", { mode: 0o777 })).handle!;
    const stranger = await NfsClient.connect({ port: target.server.port, credentials: { uid: 4711, gid: 4711 } });
    const closed = (await stranger.mkdir(shared, "closed", { mode: 0o700 })).handle!;
    const deep = (await stranger.mkdir(closed, "deep", { mode: 0o777 })).handle!;
    await stranger.create(deep, "secret", { mode: 0o644 });
    await stranger.rename(deep, "secret", shared, "shown");
    await stranger.rename(shared, "shown", closed, "hidden");
    stranger.close();
    expect(await toldUntil("0002 shared\\shown")).toEqual(["0001 shared", "0001 shared\\closed", "0001 shared\\shown", "0002 shared\\shown"]);
  }, 3 * minuteMs);
});

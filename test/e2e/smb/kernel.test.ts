import { spawn } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { compileC } from "../../support/compile.ts";
import { type Handle, NfsClient, Type } from "../../support/nfs-client.ts";
import { temporaryDirectory } from "../../support/server.ts";
import { kclient, makeMaterial, whyNoKernel } from "../kernel/material.ts";

/** A real Linux kernel mounts the share over SMB (its cifs client, in User-mode Linux), and what it leaves is read over NFS. */

const kernelFolder = join(import.meta.dir, "../kernel");
const minuteMs = 60_000;
const why = whyNoKernel();
if (why !== null) console.log(`cifs client: skipped, ${why}`);

const material = temporaryDirectory("cifs");
let target: Target;
let nfs: NfsClient;
let root: Handle;
let guest = "";

/** Boots a guest that mounts the share and runs `command` there; its output. */
async function inGuest(options: string, command: string): Promise<string> {
  const all = `username=${targetUser},password=${targetPassword},nobrl,mfsymlinks,${options}`;
  const child = spawn([kclient, "--cifs", all, "--server-port", String(target.port), "--export", targetShare, "--timeout", "480", "--", command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, errors, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`guest: exit status ${status}\n${output}\n${errors}`);
  return output;
}

/** Compares a directory of this machine with one that NFS shows; gives how many files they have. */
async function sameOverNfs(local: string, directory: Handle): Promise<number> {
  const listed = (await nfs.list(directory)).map(({ name }) => String(name)).filter((name) => name !== "." && name !== "..");
  expect(listed.sort()).toEqual(readdirSync(local).sort());
  let files = 0;
  for (const name of listed) {
    const { handle, attributes } = await nfs.lookup(directory, name);
    const path = join(local, name);
    if (attributes?.type === Type.directory) {
      files += await sameOverNfs(path, handle);
      continue;
    }
    expect(Number(attributes?.size)).toBe(statSync(path).size);
    const parts: Buffer[] = [];
    for (let offset = 0, end = false; !end; ) {
      const { data, eof } = await nfs.read(handle, offset, 2 ** 20);
      parts.push(data);
      offset += data.length;
      end = eof;
    }
    if (!Buffer.concat(parts).equals(readFileSync(path))) throw new Error(`${path} has other content over NFS`);
    files++;
  }
  return files;
}

// Skipped where a guest can't be had; the reason is printed above.
describe.skipIf(why !== null)("the cifs client of a Linux kernel", () => {
  beforeAll(async () => {
    // Fewer files than for NFS: five guests copy them three times each.
    makeMaterial(material.path, ["src/smb", "src/vfs", "src/wire", "test/unit/vfs"]);
    guest = compileC(join(kernelFolder, "guest.c"));
    chmodSync(material.path, 0o755);
    target = await startTarget();
    nfs = await NfsClient.connect({ port: target.server.port, credentials: { uid: 1000, gid: 1000 } });
    root = await nfs.mount(`/${targetShare}`);
  }, 3 * minuteMs);

  afterAll(async () => {
    nfs?.close();
    await target?.stop();
    material.remove();
  }, 3 * minuteMs);

  const mounts = [
    ["2.1", "vers=2.1"],
    ["3.0", "vers=3.0"],
    ["3.0-sealed", "vers=3.0,seal"],
    ["3.1.1", "vers=3.1.1"],
    ["3.1.1-sealed", "vers=3.1.1,seal"],
  ] as const;
  for (const [name, options] of mounts) {
    test(`works with ${options}, and NFS reads what it wrote`, async () => {
      const output = await inGuest(options, `${join(kernelFolder, "smb-workload.sh")} ${material.path} ${guest} ${name}`);
      console.log(`cifs, ${options}:\n${output}`);
      const steps = output.trim().split("\n").filter((line) => /^(ok|failed) /.test(line));
      expect(steps.filter((line) => line.startsWith("failed"))).toEqual([]);
      expect(steps).toHaveLength(4);
      const work = (await nfs.lookup(root, `work-${name}`)).handle;
      for (const copy of ["copy", "synced"]) expect(await sameOverNfs(join(material.path, "tree"), (await nfs.lookup(work, copy)).handle)).toBeGreaterThan(100);
      expect(target.server.running).toBe(true);
    }, 9 * minuteMs);
  }
});

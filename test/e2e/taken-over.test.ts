import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "bun";
import { join } from "node:path";
import { NtStatus } from "#wire/ntstatus.ts";
import { type Target, startTarget, targetPassword, targetUser } from "../conformance/target.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { missingRadosgw, type S3Server, s3StartMsMax, sharedS3 } from "../support/radosgw.ts";
import { binaryPath, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { SmbClient } from "../support/smb-client.ts";
import { SmbFiles } from "../support/smb-requests.ts";
import { until } from "../support/wait.ts";

/** A share is recovered while its server runs: what that one's clients are told, and whoever tries to get rid of it there. */

if (missingRadosgw !== null) console.log(`a share that is taken over: skipped, ${missingRadosgw}`);

const credentials = { uid: 1000, gid: 1000 };

async function run(...args: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> {
  const child = spawn([binaryPath(), ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, out, err };
}

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("a share that another server took over", () => {
  const directory = temporaryDirectory("taken-over");
  let s3: S3Server;
  let target: Target;

  beforeAll(async () => {
    s3 = await sharedS3();
    target = await startTarget();
  }, s3StartMsMax);
  afterAll(async () => {
    await target?.stop();
    directory.remove();
  });

  test("is an error for its clients, and none for those of other shares; here it can be deleted, and its data stays", async () => {
    const { admin, server, port } = target;
    const bucket = s3.bucketName();
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const config = { bucket, endpoint: s3.endpoint, access_key: accessKeyId, secret_key: secretAccessKey, create_bucket: true };
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config });
    await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", durability: "remote", default_permission: "read-write", root_mode: 0o777 });
    await admin.do("POST", "/api/v1/shares", { name: "/deleted", default_permission: "read-write", root_mode: 0o777 });
    const client = await NfsClient.connect({ port: server.port, credentials });
    const [root, deleted] = [await client.mount("/cloud"), await client.mount("/deleted")];
    await client.create(root, "kept", { mode: 0o644 });
    const smb = await SmbClient.open(port);
    await smb.negotiate();
    expect((await smb.login(targetUser, targetPassword)).status).toBe(0);
    const files = await SmbFiles.of(smb, "cloud");
    const open = await files.create({ name: "open", disposition: 2 });
    await admin.do("DELETE", "/api/v1/shares/deleted?force=true");

    const flags = ["--bucket", bucket, "--endpoint", s3.endpoint, "--access-key", accessKeyId, "--secret-key", secretAccessKey];
    const recovered = await run("recover", "--from", "s3", ...flags, "--data-dir", join(directory.path, "found"));
    expect(recovered).toMatchObject({ status: 0, out: expect.stringContaining("recovered share /cloud") });
    await until("the first server to notice", 20_000, async () => ((await admin.do("GET", "/api/v1/shares/cloud/status")).state === "failed" ? true : null));

    await expect(client.getattr(root)).rejects.toThrow(/\bio\b/);
    await expect(client.create(root, "more", { mode: 0o644 })).rejects.toThrow(/\bio\b/);
    await expect(client.mount("/cloud")).rejects.toThrow("status 5");
    expect((await client.mounts.exports()).map((each) => each.directory)).not.toContain("/cloud");
    expect(await files.write(open.fileId, 0, Buffer.from("more"))).toBe(NtStatus.NETWORK_NAME_DELETED);
    expect((await smb.treeConnect("cloud")).status).toBe(NtStatus.BAD_NETWORK_NAME);
    // Of others nothing of it is said, whatever else is changed meanwhile.
    await admin.do("POST", "/api/v1/shares", { name: "/more", default_permission: "read-write" });
    await expect(client.getattr(deleted)).rejects.toThrow(/stale/);
    await expect(client.getattr(Buffer.from(root).fill(7, 4, 12))).rejects.toThrow(/badHandle/);
    await expect(client.getattr(root)).rejects.toThrow(/\bio\b/);
    await client.getattr(await client.mount("/more"));
    for (const each of [client, smb]) each.close();

    const purged = await run("share", "delete", "/cloud", "--purge", "--yes", "--server", server.apiUrl, "--token", admin.token);
    expect(purged.status).not.toBe(0);
    expect(purged.err).toContain("Share /cloud was deleted, and its data was not removed: ");
    expect(purged.err).toContain("taken over by the server on");
    expect(purged.err).not.toMatch(/nothing was (removed|changed)/i);
    expect((await admin.ask("GET", "/api/v1/shares/cloud")).status).toBe(404);
    // It is served where it is.
    const again = await run("recover", "--from", "s3", ...flags, "--dry-run", "--data-dir", join(directory.path, "dry"));
    expect(again).toMatchObject({ status: 0, out: expect.stringContaining("can be recovered: share /cloud") });
  }, 240_000);
});

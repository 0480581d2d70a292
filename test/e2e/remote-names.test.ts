import { spawn } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { NfsError, Stable, Status } from "../support/nfs-types.ts";
import { missingRadosgw } from "../support/radosgw.ts";
import { RemoteShare, remoteStartMsMax } from "../support/remote-share.ts";
import { risen, Scrape } from "../support/scrape.ts";
import { closeBody, createBody, emptyBody, SmbClient } from "../support/smb-client.ts";
import { after, until } from "../support/wait.ts";
import { kclient, whyNoKernel } from "./kernel/material.ts";

/** Changes of names in durability `remote` that an outage of the S3 server catches under way: told to come back, and done once. */

if (missingRadosgw !== null) console.log(`names in durability remote: skipped, ${missingRadosgw}`);

const why = whyNoKernel();
if (why !== null) console.log(`kernel client: skipped, ${why}`);

const minuteMs = 60_000;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("changes of names in durability remote while the S3 server is down", () => {
  const share = new RemoteShare();

  beforeAll(() => share.begin({ DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" }), remoteStartMsMax);
  afterAll(() => share.end(), minuteMs);

  /** As the kernel's client does it: whoever is told to come back asks again under a new xid. */
  const insist = async (told: { count: number }, ask: () => Promise<unknown>): Promise<unknown> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof NfsError) || error.status !== Status.jukebox) throw error;
        told.count++;
        await after(500);
      }
    }
  };

  test(
    "each is told to come back within seconds, and asked again it succeeds once the server is back, however often it was asked",
    async () => {
      for (const name of ["taken", "moved"]) await share.client.create(share.root, name, { mode: 0o644 });
      const file = (await share.client.create(share.root, "file", { mode: 0o644 })).handle as Uint8Array;
      await share.s3.kill();
      const told = { count: 0 };
      const changes = [
        () => share.client.create(share.root, "made", { mode: 0o644 }, true),
        () => share.client.createExclusive(share.root, "once", new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])),
        () => share.client.mkdir(share.root, "directory", { mode: 0o755 }),
        () => share.client.remove(share.root, "taken"),
        () => share.client.rename(share.root, "moved", share.root, "there"),
        () => share.client.setattr(file, { mode: 0o600 }),
      ];
      const begun = performance.now();
      const done = Promise.all(changes.map((change) => insist(told, change)));
      await until("all to be told to come back", 30_000, async () => (told.count >= changes.length ? true : null));
      expect(performance.now() - begun).toBeLessThan(30_000);
      await share.s3.start();
      await done;
      expect((await share.client.list(share.root)).map(({ name }) => name).sort()).toEqual(["directory", "file", "made", "once", "there"]);
    },
    2 * minuteMs,
  );

  // Skipped where a guest can't be had; the reason is printed above.
  test.skipIf(why !== null)(
    "a Linux kernel's changes wait for as long as the server is down, and all succeed, once",
    async () => {
      // A name that was not there is looked for again each time.
      const options = `vers=3,tcp,nolock,lookupcache=positive,mountport=${share.server.port}`;
      const guest = spawn([kclient, "--nfs", options, "--server-port", String(share.server.port), "--export", "/cloud", "--timeout", "280", "--", inGuest], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      const said = Promise.all([new Response(guest.stdout).text(), new Response(guest.stderr).text(), guest.exited]);
      await until("the guest to be ready", 2 * minuteMs, async () => {
        const ready = await share.client.lookup(share.root, "ready").catch(() => null);
        return ready !== null && (await share.client.list(ready.handle)).length > 0 ? true : null;
      });
      const go = await share.client.lookup(share.root, "go");
      await share.s3.kill();
      // Bytes that nobody asked to be kept can be written still, and the kernel sees that there are some.
      await share.client.write(go.handle, 0, Buffer.from("go"), Stable.unstable);
      const before = await Scrape.at(share.server.metricsUrl);
      await until("each of them to be told to come back", minuteMs, async () => {
        const rose = risen(before, await Scrape.at(share.server.metricsUrl));
        const told = (procedure: string): number => rose("dittofs_nfs_requests_total", { procedure, share: "/cloud", status: "NFS3ERR_JUKEBOX" });
        return ["MKDIR", "RENAME", "REMOVE", "LINK", "SYMLINK"].every((procedure) => told(procedure) > 0) && told("CREATE") > 1 ? true : null;
      });
      await share.s3.start();
      const [output, errors, status] = await said;
      expect([status, errors]).toEqual([0, ""]);
      expect(output.trim().split("\n").sort()).toEqual(["exclusive", "ln", "mkdir", "mv", "rm", "symlink", "unchecked"].map((what) => `${what} 0`));
    },
    5 * minuteMs,
  );

  test(
    "over SMB the client is told that its CREATE, SET_INFO or CLOSE goes on, others are answered meanwhile, and each is once the server is back",
    async () => {
      await share.admin.do("POST", "/api/v1/users", { username: "alice", password: "secret12", uid: 1000, gid: 1000 });
      const smb = await SmbClient.open(share.server.smbPort);
      await smb.negotiate({ dialects: [0x311] });
      await smb.login("alice", "secret12");
      expect((await smb.treeConnect("cloud")).status).toBe(0);
      const going = await smb.create("going", { disposition: createIt, access: allAccess, options: deleteOnClose });
      const changing = await smb.create("changing", { disposition: createIt });
      await share.s3.kill();
      const tree = { treeId: smb.treeId };
      // FileBasicInformation: an attribute; class 4 of type 1.
      const basic = Buffer.alloc(40);
      basic.writeUInt32LE(2, 32);
      const asked = [[Command.CREATE, createBody("coming", { disposition: createIt })], [Command.CLOSE, closeBody(going)], [Command.SET_INFO, setInfoBody(changing, 4, basic)]] as const;
      const begun = performance.now();
      for (const [command, body] of asked) smb.send(command, body, tree);
      const interim = [await smb.next(), await smb.next(), await smb.next()];
      expect(interim.map(({ status }) => status)).toEqual([NtStatus.PENDING, NtStatus.PENDING, NtStatus.PENDING]);
      expect(performance.now() - begun).toBeLessThan(20_000);
      expect((await smb.call(Command.ECHO, emptyBody)).status).toBe(0);
      await share.s3.start();
      const final = [await smb.next(), await smb.next(), await smb.next()];
      expect(final.map(({ status }) => status)).toEqual([0, 0, 0]);
      expect(new Set(final.map(({ messageId }) => messageId))).toEqual(new Set(interim.map(({ messageId }) => messageId)));
      smb.close();
      const left = (await share.client.list(share.root)).map(({ name }) => name);
      expect([left.includes("going"), left.includes("coming"), left.includes("changing")]).toEqual([false, true, true]);
    },
    2 * minuteMs,
  );
});

/**
 * Each in a directory of its own, as the kernel has the changes of one wait for each other; so has what says that the guest is ready, which
 * may be seen before it is answered, and then waits for the server, too.
 */
const inGuest = `
set -u
for i in 1 2 3 4 5 6 7; do mkdir k$i; echo x > k$i/old; done
: > go; chmod 666 go; mkdir ready
(mkdir ready/now) &
while [ ! -s go ]; do sleep 0.2; done
said() { echo "$1 $2"; }
(mkdir k1/new; said mkdir $?) & (mv k2/old k2/new; said mv $?) & (rm k3/old; said rm $?) & (ln k4/old k4/new; said ln $?) &
(ln -s there k5/new; said symlink $?) & (set -C; : > k6/new; said exclusive $?) & (: > k7/new; said unchecked $?) &
wait
`;

/** FILE_CREATE, FILE_DELETE_ON_CLOSE, and GENERIC_ALL's rights. */
const createIt = 2;
const deleteOnClose = 0x1000;
const allAccess = 0x1f01ff;

/** SET_INFO of a file (MS-SMB2 2.2.39). */
function setInfoBody(fileId: Uint8Array, infoClass: number, input: Uint8Array): Buffer {
  const body = Buffer.alloc(32 + input.length);
  body.writeUInt16LE(33, 0);
  body.writeUInt8(1, 2);
  body.writeUInt8(infoClass, 3);
  body.writeUInt32LE(input.length, 4);
  body.writeUInt16LE(64 + 32, 8);
  body.set(fileId, 16);
  body.set(input, 32);
  return body;
}

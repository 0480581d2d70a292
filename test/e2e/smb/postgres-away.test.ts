import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { Admin } from "../../support/admin.ts";
import { MountClient } from "../../support/mount-client.ts";
import { type Cluster, missingPostgres, startCluster } from "../../support/postgres.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { smbclientMissing, trySmbclient } from "../../support/smbclient.ts";
import { emptyBody, queryInfoBody, SmbClient } from "../../support/smb-client.ts";
import { closeBody, createBody, lockBody, LockFlags, readBody, SmbFiles, writeBody } from "../../support/smb-requests.ts";
import type { Reply } from "../../support/smb-wire.ts";
import { until } from "../../support/wait.ts";

/** SMB of a share whose metadata lie in a PostgreSQL server that goes away, in several ways, and comes back. */

if (missingPostgres !== null) console.log(`SMB while PostgreSQL is away: skipped, ${missingPostgres}`);
if (smbclientMissing !== null) console.log(`smbclient while PostgreSQL is away: skipped, ${smbclientMissing}`);

const minuteMs = 60_000;
const [FILE_OPEN, FILE_CREATE, FILE_OVERWRITE] = [1, 2, 4];
const deleteOnClose = 0x1000;
/** One extended attribute (MS-FSCC 2.4.16). */
const ea = Buffer.from([0, 0, 0, 0, 0, 1, 1, 0, 0x41, 0, 0x31]);
const later = NtStatus.INSUFFICIENT_SERVER_RESOURCES;

/** The processes of a cluster. */
function processesOf(cluster: Cluster): number[] {
  const postmaster = readFileSync(join(cluster.directory, "data/postmaster.pid"), "utf8").split("\n")[0] as string;
  const isIts = (pid: string): boolean => {
    try {
      return pid === postmaster || readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ")[1] === postmaster;
    } catch {
      return false;
    }
  };
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isIts(name)).map(Number);
}

const ways: Readonly<Record<string, { readonly secondsMax: number; readonly away: (cluster: Cluster) => Promise<void>; readonly back: (cluster: Cluster) => Promise<void> }>> = {
  "is killed": { secondsMax: 20, away: (cluster) => cluster.crash(), back: (cluster) => cluster.resume() },
  "is stopped": { secondsMax: 20, away: (cluster) => cluster.pause(), back: (cluster) => cluster.resume() },
  "hangs": {
    // So long a statement may take, and a little more its answer.
    secondsMax: 60,
    away: async (cluster) => processesOf(cluster).forEach((pid) => process.kill(pid, "SIGSTOP")),
    back: async (cluster) => processesOf(cluster).forEach((pid) => process.kill(pid, "SIGCONT")),
  },
};

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("SMB while the metadata's PostgreSQL is away", () => {
  const directory = temporaryDirectory("smb-postgres-away");
  let cluster: Cluster;
  let server: Server;
  let files: SmbFiles;
  let shares = 0;
  let share = "";
  /** Brings the database back that a test took away. */
  let goesOn: ((cluster: Cluster) => Promise<void>) | null = null;
  async function mended(): Promise<void> {
    const back = goesOn;
    goesOn = null;
    await back?.(cluster);
  }
  /** Answers to what was sent together, by message. */
  let answers: Map<bigint, Reply[]>;

  async function startServer(): Promise<Server> {
    const started = await Server.start({ dataDir: join(directory.path, "data"), port: 0 });
    await started.printed(/^ready$/m);
    return started;
  }

  async function connected(): Promise<SmbFiles> {
    const client = await SmbClient.open(server.smbPort);
    await client.negotiate({ dialects: [0x311] });
    expect((await client.login("alice", "secret12")).status).toBe(0);
    return SmbFiles.of(client, share);
  }

  /** A new share with these files, and a server that has seen none of them. */
  async function fresh(names: readonly string[]): Promise<void> {
    share = `team${++shares}`;
    const admin = await Admin.at(server);
    const { host, port, database, user, password } = await cluster.database();
    await admin.do("POST", "/api/v1/store/metadata", { name: share, type: "postgres", config: { host, port, database, user, password, sslmode: "disable" } });
    await admin.do("POST", "/api/v1/shares", { name: `/${share}`, metadata: share, default_permission: "read-write" });
    files = await connected();
    for (const name of names) {
      const made = await files.create({ name, disposition: FILE_CREATE, options: name.includes(".") ? 0 : 1 });
      expect([name, made.status, await files.close(made.fileId)]).toEqual([name, 0, 0]);
    }
    files.client.close();
    await server.stop();
    server = await startServer();
    files = await connected();
    answers = new Map();
  }

  /** Sends without waiting for an answer; the message's number. */
  function ask(command: number, body: Uint8Array): bigint {
    const message = BigInt(files.client.messageId);
    files.send(command, body);
    answers.set(message, []);
    return message;
  }

  const final = (message: bigint): Reply | null => answers.get(message)?.find(({ status }) => status !== NtStatus.PENDING) ?? null;

  /** Waits until each of these has its last answer. */
  async function ended(messages: readonly bigint[], secondsMax: number): Promise<number[]> {
    await until("every request to be answered", secondsMax * 1000, async () => {
      if (messages.every((message) => final(message) !== null)) return true;
      const reply = await files.client.next().catch((error: Error) => {
        if (/closed the connection/.test(error.message)) throw error;
        return null;
      });
      if (reply !== null) answers.get(reply.messageId)!.push(reply);
      return null;
    });
    return messages.map((message) => final(message)!.status);
  }

  async function alone(name: string): Promise<void> {
    const { status, fileId } = await files.create({ name, share: 0, disposition: FILE_OPEN });
    expect([name, status]).toEqual([name, 0]);
    expect(await files.close(fileId)).toBe(0);
  }

  beforeAll(async () => {
    cluster = await startCluster();
    server = await startServer();
    await (await Admin.at(server)).do("POST", "/api/v1/users", { username: "alice", password: "secret12", uid: 1000, gid: 1000 });
  }, 2 * minuteMs);
  afterEach(() => mended(), minuteMs);
  afterAll(async () => {
    files?.client.close();
    await server?.stop();
    await cluster?.stop();
    directory.remove();
  }, minuteMs);

  for (const [how, { secondsMax, away, back }] of Object.entries(ways)) {
    test(
      `it ${how}: requests have a status, the session and its opens go on, and nothing is lost, left open or done twice`,
      async () => {
        await fresh(["held.txt", "going.txt", "over.txt", "unseen", "unseen\\a.txt", "unseen\\b.txt"]);
        const held = await files.create({ name: "held.txt", share: 0, disposition: FILE_OPEN });
        expect(await files.write(held.fileId, 0, Buffer.from("before"))).toBe(0);
        expect(await files.lock(held.fileId, [{ offset: 0, length: 6, flags: LockFlags.exclusive | LockFlags.now }])).toBe(0);
        const going = await files.create({ name: "going.txt", disposition: FILE_OPEN, options: deleteOnClose });
        // Seen, so that overwriting it comes as far as to its open.
        await alone("over.txt");
        // That nobody has these names is known from here on: what is asked of the database are changes.
        for (const name of ["first.txt", "second.txt", "new.txt"]) expect((await files.create({ name, disposition: FILE_OPEN })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
        await away(cluster);
        goesOn = back;

        // What is in doubt when the database goes waits, and the client is told so; it ends once it is known.
        const first = ask(Command.CREATE, createBody({ name: "first.txt", disposition: FILE_CREATE }));
        const second = ask(Command.CREATE, createBody({ name: "second.txt", disposition: FILE_CREATE }));
        await until("both to be said to go on", secondsMax * 1000, async () => {
          if ([first, second].every((message) => answers.get(message)!.length > 0)) return true;
          const reply = await files.client.next();
          answers.get(reply.messageId)!.push(reply);
          return null;
        });
        const asked = [
          ask(Command.CREATE, createBody({ name: "unseen\\a.txt", disposition: FILE_OPEN, share: 0 })),
          ask(Command.CREATE, createBody({ name: "new.txt", disposition: FILE_CREATE, share: 0, oplock: 9 })),
          ask(Command.CREATE, createBody({ name: "new:stream", disposition: FILE_CREATE, share: 0 })),
          ask(Command.CREATE, createBody({ name: "over.txt", disposition: FILE_OVERWRITE, share: 0, oplock: 9, contexts: [["ExtA", ea]] })),
          ask(Command.CLOSE, closeBody(going.fileId)),
        ];
        const known = [ask(Command.WRITE, writeBody(held.fileId, 0, Buffer.from("during"))), ask(Command.READ, readBody(held.fileId, 0, 6)), ask(Command.QUERY_INFO, queryInfoBody(held.fileId)), ask(Command.LOCK, lockBody(held.fileId, [{ offset: 8, length: 1, flags: LockFlags.exclusive | LockFlags.now }]))];
        // Nothing of it is in the database, and nothing of it waits for others.
        expect(await ended(known, 5)).toEqual([0, 0, 0, 0]);
        expect(await ended(asked, secondsMax)).toEqual(asked.map(() => later));
        const echo = ask(Command.ECHO, emptyBody);
        expect(await ended([echo], 5)).toEqual([0]);

        await mended();
        const made = await ended([first, second], 90);
        // Of those that were told to come back nothing was done: they can be done now.
        const [one, other] = made.map((status) => (status === 0 ? NtStatus.OBJECT_NAME_COLLISION : 0));
        expect(made.every((status) => status === 0 || status === later)).toBeTrue();
        // What hangs has got them.
        if (how === "hangs") expect(made).toEqual([0, 0]);
        if (made[0] === 0) expect(await files.close(final(first)!.body.subarray(64, 80))).toBe(0);
        if (made[1] === 0) expect(await files.close(final(second)!.body.subarray(64, 80))).toBe(0);
        for (const [name, status] of [["first.txt", one], ["second.txt", other], ["new.txt", 0], ["new:stream", 0]] as const) {
          const again = await files.create({ name, disposition: FILE_CREATE });
          expect([name, again.status]).toEqual([name, status as number]);
          if (again.status === 0) expect(await files.close(again.fileId)).toBe(0);
        }
        for (const name of ["first.txt", "second.txt", "new.txt", "new", "over.txt", "going.txt", "unseen\\a.txt"]) await alone(name);
        expect(await files.close(going.fileId)).toBe(NtStatus.FILE_CLOSED);
        const goes = await files.create({ name: "going.txt", disposition: FILE_OPEN, options: deleteOnClose });
        expect(await files.close(goes.fileId)).toBe(0);

        // The handle lived, its lock and share mode with it.
        const rival = await connected();
        expect((await rival.create({ name: "held.txt", disposition: FILE_OPEN })).status).toBe(NtStatus.SHARING_VIOLATION);
        rival.client.close();
        expect((await files.bytes(held.fileId, 0, 6)).toString()).toBe("during");
        expect(await files.lock(held.fileId, [0, 8].map((offset) => ({ offset, length: offset === 0 ? 6 : 1, flags: LockFlags.unlock })))).toBe(0);
        expect(await files.close(held.fileId)).toBe(0);
        await alone("held.txt");
        files.client.close();
        await server.stop();
        server = await startServer();
        files = await connected();
        for (const name of ["first.txt", "second.txt", "new.txt", "over.txt", "unseen\\b.txt"]) await alone(name);
        expect((await files.create({ name: "going.txt", disposition: FILE_OPEN })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
      },
      4 * minuteMs,
    );
  }

  // Skipped where smbclient is not installed: the reason is printed above.
  test.skipIf(smbclientMissing !== null)(
    "smbclient goes on in its session, and a mount below the share is told of a fault and not that there is nothing",
    async () => {
      await fresh(["unseen", "unseen\\a.txt", "unseen\\b.txt"]);
      await cluster.pause();
      goesOn = (its) => its.resume();
      const mounts = new MountClient(server.port, { uid: 1000, gid: 1000 });
      const [ran, mounted] = await Promise.all([trySmbclient({ port: server.smbPort, share }, "allinfo unseen/a.txt; allinfo unseen/b.txt"), mounts.mount(`/${share}/unseen`).then(String, String)]);
      expect(ran.text.match(/NT_STATUS_INSUFF_SERVER_RESOURCES/g)?.length).toBe(2);
      expect(ran.text).not.toMatch(/CONNECTION|TIMEOUT/);
      expect(mounted).toMatch(/serverFault|10006/i);
      await mended();
      expect((await trySmbclient({ port: server.smbPort, share }, "allinfo unseen/a.txt")).status).toBe(0);
    },
    3 * minuteMs,
  );
});

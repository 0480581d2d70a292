import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { smbclientMissing, trySmbclient, type SmbclientOptions } from "../../support/smbclient.ts";
import { until, within } from "../../support/wait.ts";

/** Who gets in over SMB, and what operators change over REST is what connected clients meet with their next request. */

const directory = temporaryDirectory("smb-live");
/** "Within a second", with room for a machine that is busy. */
const soonMs = 3000;
let target: Target;

beforeAll(async () => {
  target = await startTarget();
});

afterAll(async () => {
  expect(await target.server.stop()).toBe(0);
  await target.stop();
  directory.remove();
});

/** A client that is logged in. */
async function loggedIn(user = targetUser, password = targetPassword): Promise<SmbClient> {
  const client = await SmbClient.open(target.port);
  await client.negotiate();
  const { status } = await client.login(user, password);
  if (status !== 0) throw new Error(`log-in: ${status.toString(16)}`);
  return client;
}

/** What a log-in as `user` is answered. */
async function login(user: string, password: string): Promise<number> {
  const client = await SmbClient.open(target.port);
  await client.negotiate();
  const { status } = await client.login(user, password);
  client.close();
  return status;
}

const echo = Buffer.from([4, 0, 0, 0]);

describe("who gets in", () => {
  test("nobody with a wrong password, without a name, as nobody known, disabled, or whose password must change", async () => {
    expect(await login(targetUser, targetPassword)).toBe(NtStatus.SUCCESS);
    expect(await login(targetUser.toUpperCase(), targetPassword)).toBe(NtStatus.SUCCESS);
    expect(await login(targetUser, "wrong")).toBe(NtStatus.LOGON_FAILURE);
    expect(await login("nobody", targetPassword)).toBe(NtStatus.LOGON_FAILURE);
    await target.admin.do("POST", "/api/v1/users", { username: "off", password: targetPassword, enabled: false });
    expect(await login("off", targetPassword)).toBe(NtStatus.ACCOUNT_DISABLED);
    expect(await login("off", "wrong")).toBe(NtStatus.LOGON_FAILURE);
    await target.admin.do("POST", "/api/v1/users", { username: "new", password: targetPassword, must_change_password: true });
    expect(await login("new", targetPassword)).toBe(NtStatus.PASSWORD_MUST_CHANGE);
  });

  test("whoever guesses is slowed, over SMB and REST together", async () => {
    await target.admin.do("POST", "/api/v1/users", { username: "guessed", password: targetPassword });
    const body = JSON.stringify({ username: "guessed", password: targetPassword });
    const overRest = () => fetch(`${target.server.apiUrl}/api/v1/auth/login`, { method: "POST", headers: { "content-type": "application/json" }, body });
    // The first wait is a second: on a busy machine it may be over when the right password comes, which begins anew.
    await until("the right password to be refused, too", 20_000, async () => {
      let tries = 0;
      while ((await login("guessed", `guess ${tries}`)) === NtStatus.LOGON_FAILURE) if (++tries > 50) break;
      expect(tries).toBeLessThanOrEqual(10);
      const answers = [await login("guessed", targetPassword), (await overRest()).status];
      return answers[0] === NtStatus.ACCOUNT_LOCKED_OUT && answers[1] === 429 ? true : null;
    });
  });

  // Skipped where smbclient is not installed.
  test.skipIf(smbclientMissing !== null)("grants hold: none, read, read-write", async () => {
    const { admin, port } = target;
    await admin.do("POST", "/api/v1/users", { username: "bob", password: targetPassword, uid: 1101 });
    await admin.do("POST", "/api/v1/shares", { name: "/granted", root_mode: 0o777 });
    const local = join(directory.path, "f");
    writeFileSync(local, "granted");
    const as = (user: string, commands: string, more: Partial<SmbclientOptions> = {}) => trySmbclient({ port, share: "granted", user, password: targetPassword, ...more }, commands);
    expect((await as("bob", "ls")).text).toContain("NT_STATUS_ACCESS_DENIED");
    await admin.do("PUT", "/api/v1/shares/granted/permissions/users/bob", { level: "read" });
    expect((await as("bob", "ls")).status).toBe(0);
    expect((await as("bob", `put ${local} f`)).text).toMatch(/NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE_PROTECTED)/);
    await admin.do("PUT", "/api/v1/shares/granted/permissions/users/bob", { level: "read-write" });
    expect((await as("bob", `put ${local} f`)).status).toBe(0);
    await admin.do("PUT", "/api/v1/shares/granted", { read_only: true });
    expect((await as("bob", `put ${local} g`)).text).toMatch(/NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE_PROTECTED)/);
    expect((await as("bob", "rm f")).text).toMatch(/NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE_PROTECTED)/);
    expect((await as("bob", "ls f")).text).toContain(" f ");
  });

  // Skipped where smbclient is not installed.
  test.skipIf(smbclientMissing !== null)("guests where a share allows them, as the anonymous user", async () => {
    const { admin, port } = target;
    await admin.do("POST", "/api/v1/shares", { name: "/open", default_permission: "read-write", root_mode: 0o777 });
    const guest = (commands: string) => trySmbclient({ port, share: "open", user: null }, commands);
    expect((await guest("ls")).text).toMatch(/NT_STATUS_(ACCESS_DENIED|LOGON_FAILURE)/);
    await admin.do("PUT", "/api/v1/shares/open", { smb_guest: true });
    const local = join(directory.path, "g");
    writeFileSync(local, "of a guest");
    const { status, text } = await guest(`put ${local} g; ls`);
    expect([status, text]).toEqual([0, expect.stringContaining(" g ")]);
    // That one share lets guests in opens no other.
    expect((await trySmbclient({ port, share: targetShare, user: null }, "ls")).text).toMatch(/NT_STATUS_(ACCESS_DENIED|LOGON_FAILURE)/);
    await admin.do("PUT", "/api/v1/shares/open", { smb_guest: false });
    expect((await guest("ls")).text).toMatch(/NT_STATUS_(ACCESS_DENIED|LOGON_FAILURE)/);
  });

  // Skipped where smbclient is not installed.
  test.skipIf(smbclientMissing !== null)("signing and encryption where they are required, of the server and of a share", async () => {
    const { admin, port } = target;
    const as = (dialect: string, share = targetShare) => trySmbclient({ port, share, args: ["--option", `client max protocol=${dialect}`, "--option", `client min protocol=${dialect}`] }, "ls");
    await admin.do("PATCH", "/api/v1/adapters/smb/settings", { signing: "required" });
    for (const dialect of ["SMB2_02", "SMB3_11"]) expect((await as(dialect)).status).toBe(0);
    await admin.do("PATCH", "/api/v1/adapters/smb/settings", { encryption: "required" });
    expect((await as("SMB2_10")).text).toContain("NT_STATUS_ACCESS_DENIED");
    for (const dialect of ["SMB3_00", "SMB3_11"]) expect((await as(dialect)).status).toBe(0);
    await admin.do("PATCH", "/api/v1/adapters/smb/settings", { signing: "enabled", encryption: "off", min_dialect: "SMB3_00" });
    expect((await as("SMB2_10")).status).not.toBe(0);
    await admin.do("PATCH", "/api/v1/adapters/smb/settings", { min_dialect: "SMB2_02" });
    await admin.do("POST", "/api/v1/shares", { name: "/sealed", default_permission: "read-write", smb_encryption: "required" });
    expect((await as("SMB2_10", "sealed")).text).toContain("NT_STATUS_ACCESS_DENIED");
    expect((await as("SMB3_11", "sealed")).status).toBe(0);
    expect((await as("SMB2_10")).status).toBe(0);
  });
});

describe("what is changed while clients work", () => {
  test("a share that is created is served at once, and gone when it is deleted, whatever is open in it", async () => {
    const { admin } = target;
    const client = await loggedIn();
    expect((await client.treeConnect("fleeting")).status).toBe(NtStatus.BAD_NETWORK_NAME);
    await admin.do("POST", "/api/v1/shares", { name: "/fleeting", default_permission: "read-write", root_mode: 0o777 });
    const files = await SmbFiles.of(client, "fleeting");
    const file = await files.create({ name: "f", disposition: 2 });
    expect([file.status, await files.write(file.fileId, 0, Buffer.from("open"))]).toEqual([0, 0]);
    const mounts = await admin.do("GET", "/api/v1/shares/fleeting/mounts");
    expect(mounts.items).toMatchObject([{ protocol: "smb", share: "/fleeting", client: "127.0.0.1" }]);
    expect((await admin.ask("DELETE", "/api/v1/shares/fleeting")).body.code).toBe("in_use");
    await admin.do("DELETE", "/api/v1/shares/fleeting?force=true");
    expect(await files.write(file.fileId, 0, Buffer.from("gone"))).toBe(NtStatus.NETWORK_NAME_DELETED);
    expect((await client.treeConnect("fleeting")).status).toBe(NtStatus.BAD_NETWORK_NAME);
    expect((await client.treeConnect(targetShare)).status).toBe(0);
    client.close();
  });

  test("a share that is disabled, or not for SMB any more, is closed to who is connected", async () => {
    const { admin } = target;
    await admin.do("POST", "/api/v1/shares", { name: "/toggled", default_permission: "read-write", root_mode: 0o777 });
    const client = await loggedIn();
    for (const [off, on] of [[{ enabled: false }, { enabled: true }], [{ protocols: { nfs: true, smb: false } }, { protocols: { nfs: true, smb: true } }], [{ default_permission: "none" }, { default_permission: "read-write" }]]) {
      const files = await SmbFiles.of(client, "toggled");
      await admin.do("PUT", "/api/v1/shares/toggled", off);
      expect((await files.create({ name: "", options: 1, disposition: 1 })).status).toBe(NtStatus.NETWORK_NAME_DELETED);
      expect((await client.treeConnect("toggled")).status).toBe(NtStatus.ACCESS_DENIED);
      await admin.do("PUT", "/api/v1/shares/toggled", on);
    }
    expect((await client.treeConnect("toggled")).status).toBe(0);
    client.close();
  });

  test("disabling a user, or another password, ends the sessions within a second", async () => {
    const { admin } = target;
    await admin.do("POST", "/api/v1/users", { username: "carol", password: targetPassword });
    const changes: readonly (() => Promise<unknown>)[] = [
      () => admin.do("PUT", "/api/v1/users/carol", { enabled: false }),
      () => admin.do("POST", "/api/v1/users/carol/password", { new_password: "another password", must_change_password: false }),
      () => admin.do("DELETE", "/api/v1/users/carol"),
    ];
    let password = targetPassword;
    for (const [i, change] of changes.entries()) {
      const client = await loggedIn("carol", password);
      const files = await SmbFiles.of(client, targetShare);
      await change();
      const status = await until("the end of the session", soonMs, async () => ((await files.create({ name: "", options: 1, disposition: 1 })).status === NtStatus.USER_SESSION_DELETED ? true : null));
      expect(status).toBe(true);
      client.close();
      if (i === 0) await admin.do("PUT", "/api/v1/users/carol", { enabled: true });
      if (i === 1) password = "another password";
    }
  });

  test("the adapter moves to another port, is switched off and on, and is listed with its clients", async () => {
    const { admin } = target;
    // The tests' servers have their port from the environment, which wins over what is set.
    const [before] = (await admin.do("GET", "/api/v1/adapters")).items.filter((each: { type: string }) => each.type === "smb");
    expect(before).toMatchObject({ type: "smb", enabled: true, running: true, listening_port: target.port, overridden: ["port"] });
    const client = await loggedIn();
    expect((await client.call(Command.ECHO, echo)).status).toBe(0);
    const { items } = await admin.do("GET", "/api/v1/clients?protocol=smb");
    expect(items).toContainEqual(expect.objectContaining({ protocol: "smb", address: "127.0.0.1" }));
    for (const { id } of items) await admin.do("DELETE", `/api/v1/clients/${id}`);
    await client.closedByServer();
    await admin.do("PUT", "/api/v1/adapters/smb", { enabled: false });
    await expect(within("a connection", soonMs, SmbClient.open(target.port))).rejects.toThrow();
    const after = await admin.do("PUT", "/api/v1/adapters/smb", { enabled: true });
    expect(after).toMatchObject({ running: true });
  });
});

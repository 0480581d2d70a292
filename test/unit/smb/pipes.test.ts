import { afterEach, expect, test } from "bun:test";
import { groupSid, userSid, WellKnown } from "#model/acl.ts";
import type { Identity, KnownUser, NamesGroups } from "#model/identity.ts";
import { Absence } from "#vfs/absent-shares.ts";
import { ShareTable } from "#vfs/share-table.ts";
import { NdrWriter } from "#wire/dcerpc.ts";
import { namesArgs, sidsArgs } from "../../support/lsarpc.ts";
import { policyOf } from "../../support/policy.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { openWorld } from "../vfs/kit.ts";

/** What the pipes of IPC$ name, and to whom. */

const transceive = 0x11c017;
const uuids: Readonly<Record<string, readonly [uuid: string, version: number]>> = {
  srvsvc: ["c84f324b7016d30112785a47bf6ee188", 3],
  lsarpc: ["785734123412cdabef000123456789ab", 0],
};
const noneMapped = 0xc0000073;
const shareNotFound = 2310;
const alice: KnownUser = { name: "alice", uid: 1000, gid: 1000, groups: [50], groupNames: ["staff"], enabled: true };
const identity: Identity & NamesGroups = {
  userByUid: (uid) => (uid === 1000 ? alice : null),
  userByName: (name) => (name === "alice" ? alice : null),
  groupName: (gid) => (gid === 50 ? "staff" : null),
  gidOfGroup: (name) => (name === "staff" ? 50 : null),
};
const servers: TestSmb[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const guests = { smb: { encryption: "off", guest: true, continuouslyAvailable: false } } as const;

async function start(): Promise<TestSmb & { readonly shares: ShareTable }> {
  const world = await openWorld({ name: "/private", policy: policyOf({ identity }) });
  const shares = new ShareTable([world.share]);
  for (const [name, policy] of [["/public", guests], ["/rooted", { ...guests, anonymousUid: 0 }], ["/off", { ...guests, enabled: false }]] as const) {
    shares.add((await openWorld({ name, policy: policyOf({ identity, ...policy }) })).share);
  }
  const server = { ...(await smbServer({ shares }, {}, world)), shares };
  servers.push(server);
  return server;
}

function packet(type: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(16);
  head.set([5, 0, type, 3, 0x10]);
  head.writeUInt16LE(16 + body.length, 8);
  head.writeUInt32LE(1, 12);
  return Buffer.concat([head, body]);
}

/** The pipe of one interface: each call gives the stub of its answer. */
async function pipe(server: TestSmb, name: string, user: string): Promise<(operation: number, args: Uint8Array) => Promise<Buffer>> {
  const client = await server.connect();
  await client.negotiate();
  expect((await client.login(user, "secret")).status).toBe(0);
  const files = await SmbFiles.of(client, "IPC$");
  const { fileId } = await files.create({ name, disposition: 1 });
  const [uuid, version] = uuids[name]!;
  const bind = Buffer.from(`b810b810000000000100000000000100${uuid}${version.toString(16).padStart(2, "0")}000000045d888aeb1cc9119fe808002b10486002000000`, "hex");
  const bound = await files.ioctl(transceive, fileId, packet(11, bind));
  expect([bound.status, bound.output[2]]).toEqual([0, 12]);
  return async (operation, args) => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(operation, 6);
    const { status, output } = await files.ioctl(transceive, fileId, packet(0, Buffer.concat([head, args])));
    expect([status, output[2]]).toEqual([0, 2]);
    return output.subarray(24);
  };
}

const text = (answer: Buffer): string => answer.toString("utf16le") + answer.subarray(2).toString("utf16le");
const everyShare = new NdrWriter().u32(0).u32(1).u32(1).pointer().u32(0).u32(0).u32(0xffffffff).u32(0).bytes();
const shareNamed = (name: string): Uint8Array => new NdrWriter().u32(0).string(name).u32(1).bytes();
const status = (answer: Buffer): number => answer.readUInt32LE(answer.length - 4);

test("who logged in is told all shares of SMB, guests those that let them in", async () => {
  const server = await start();
  const offered = async (user: string) => {
    const call = await pipe(server, "srvsvc", user);
    const told = text(await call(15, everyShare));
    const each: Record<string, number> = {};
    for (const name of ["private", "public", "rooted"]) each[name] = status(await call(16, shareNamed(name)));
    return { told: ["private", "public", "rooted", "off", "IPC$"].filter((name) => told.includes(`${name}\0`)), each };
  };
  expect(await offered("alice")).toEqual({ told: ["private", "public", "rooted", "IPC$"], each: { private: 0, public: 0, rooted: 0 } });
  expect(await offered("stranger")).toEqual({ told: ["public", "IPC$"], each: { private: shareNotFound, public: 0, rooted: shareNotFound } });
  // One that is closed for a moment as well.
  server.shares.remove("/public", Absence.returning);
  server.shares.remove("/private", Absence.returning);
  expect((await offered("stranger")).told).toEqual(["public", "IPC$"]);
});

test("who logged in is told whose SIDs are whose, guests are named none of the server's own", async () => {
  const server = await start();
  const sids = [userSid(1000), userSid(7), groupSid(50)];
  const lookups = async (user: string) => {
    const call = await pipe(server, "lsarpc", user);
    const policy = (await call(44, new NdrWriter().u32(0).bytes())).subarray(0, 20);
    const bySid = await call(15, sidsArgs(policy, ...sids));
    const byName = await call(68, namesArgs(policy, "alice", "staff", "Unix User\\alice"));
    expect(status(await call(15, sidsArgs(policy, WellKnown.everyone)))).toBe(0);
    expect(status(await call(68, namesArgs(policy, "Everyone", "Administrators")))).toBe(0);
    return [status(bySid), text(bySid).includes("alice"), text(bySid).includes("staff"), status(byName)];
  };
  expect(await lookups("alice")).toEqual([0, true, true, 0]);
  expect(await lookups("stranger")).toEqual([noneMapped, false, false, noneMapped]);
});

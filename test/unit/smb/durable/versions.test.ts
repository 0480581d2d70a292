import { afterEach, beforeEach, expect, test } from "bun:test";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { createAnswer, createBody, durable, type SmbFiles } from "../../../support/smb-requests.ts";
import { emptyBody } from "../../../support/smb-client.ts";
import { DurableWorld, guid, kept } from "./kit.ts";

/**
 * Which contexts come back to which open (MS-SMB2 3.3.5.9.7, 3.3.5.9.12). One of version 1 comes back to an open of version 2, too, and
 * one of version 2 with a GUID of zeros to one of version 1: the clauses have no condition against it, clients do so (smbtorture's
 * durable-v2-open.reopen2b, durable-open.reopen2-lease), and what keeps others away, the owner and the lease with its client's GUID, is
 * asked all the same.
 */

let world: DurableWorld;
let files: SmbFiles;

beforeEach(async () => {
  world = await DurableWorld.open();
  files = await world.files();
});
afterEach(() => world.stop());

const made = { v1: durable.v1, v2: durable.v2(guid(1)) };
const back = {
  v1: (fileId: Uint8Array) => durable.reconnectV1(fileId),
  v2: (fileId: Uint8Array) => durable.reconnectV2(fileId, guid(1)),
  "v2, another GUID": (fileId: Uint8Array) => durable.reconnectV2(fileId, guid(2)),
  "v2, GUID of zeros": (fileId: Uint8Array) => durable.reconnectV2(fileId, guid(0)),
};
const leases = { none: null, "its own": durable.lease(guid(9), 7), another: durable.lease(guid(8), 7) };

type Case = readonly [made: keyof typeof made, leased: boolean, back: keyof typeof back, lease: keyof typeof leases];

/** All there are but these are told that there is no such open. */
const comesBack: readonly Case[] = [
  ["v1", false, "v1", "none"],
  ["v1", true, "v1", "its own"],
  ["v1", false, "v2, GUID of zeros", "none"],
  ["v1", true, "v2, GUID of zeros", "its own"],
  ["v2", false, "v1", "none"],
  ["v2", true, "v1", "its own"],
  ["v2", false, "v2", "none"],
  ["v2", true, "v2", "its own"],
];

const keys = <T extends object>(of: T): readonly (keyof T)[] => Object.keys(of) as (keyof T)[];

for (const version of keys(made)) {
  for (const leased of [false, true]) {
    test(`who comes back to an open of ${version} with ${leased ? "a lease" : "an oplock"}`, async () => {
      const { fileId, status } = await files.create(leased ? kept([made[version], leases["its own"]], { oplock: 0xff }) : kept([made[version]]));
      expect(status).toBe(0);
      await world.lose(files);
      for (const how of keys(back)) {
        for (const lease of keys(leases)) {
          files = await world.files();
          const sent = leases[lease];
          const contexts = sent === null ? [back[how](fileId)] : [back[how](fileId), sent];
          const may = comesBack.some((each) => JSON.stringify(each) === JSON.stringify([version, leased, how, lease]));
          expect([how, lease, (await files.create({ name: "file", oplock: sent === null ? 0 : 0xff, contexts })).status]).toEqual([how, lease, may ? 0 : NtStatus.OBJECT_NAME_NOT_FOUND]);
          await world.lose(files);
          expect(world.waiting).toBe(1);
        }
      }
    });
  }
}

test("by version 1 nobody else comes back to an open of version 2 either: no other user, and to a lease no other client", async () => {
  const plain = await files.create(kept([made.v2]));
  const leased = await files.create(kept([durable.v2(guid(2)), leases["its own"]], { name: "leased", oplock: 0xff }));
  await world.lose(files);
  const bob = await world.files(7, "bob");
  const other = await world.files(8);
  expect((await bob.create({ name: "file", contexts: [back.v1(plain.fileId)] })).status).toBe(NtStatus.ACCESS_DENIED);
  expect((await bob.create({ name: "leased", oplock: 0xff, contexts: [back.v1(leased.fileId), leases["its own"]] })).status).toBe(NtStatus.ACCESS_DENIED);
  expect((await other.create({ name: "leased", oplock: 0xff, contexts: [back.v1(leased.fileId), leases["its own"]] })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(world.waiting).toBe(2);
});

test("nobody comes back to an open in a connection to the share that ended meanwhile", async () => {
  const { share } = world.server.world;
  const { fileId } = await files.create(kept([made.v1]));
  await world.lose(files);
  // Where it is now is looked up, and takes a while.
  share.opens.moves++;
  const found = Promise.withResolvers<readonly string[] | null>();
  share.pathOf = () => found.promise;
  files = await world.files();
  files.send(Command.CREATE, createBody({ name: "file", contexts: [back.v1(fileId)] }));
  expect((await files.call(Command.TREE_DISCONNECT, emptyBody)).status).toBe(0);
  found.resolve(null);
  expect(createAnswer(await files.client.next()).status).toBe(NtStatus.NETWORK_NAME_DELETED);
  expect([world.waiting, world.server.state.opens.size]).toEqual([1, 0]);
});

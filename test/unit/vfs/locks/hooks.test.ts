import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { type LockRequest, rangeOf } from "#vfs/locks/index.ts";
import { Right } from "#vfs/opens/index.ts";
import { alice, bytesOf, fails, file, ok, open, openWorld } from "../kit.ts";

const ten: LockRequest = { range: rangeOf(0, 10, 0, 10)!, exclusive: true };

test("reads and writes of everybody but the owner stop at a lock", async () => {
  const { share } = await openWorld();
  const inode = await file(share, "a");
  const { id } = inode;
  const payload = [bytesOf("0123456789012345678901234")];
  ok(await share.write(alice, id, 0, payload, 25, false));
  const both = Right.readData | Right.writeData;
  const owner = open(share, inode, both);
  share.locks.lock(id, owner, [ten]);
  fails(await share.read(alice, id, 0, 25), "locked");
  fails(await share.write(alice, id, 19, [bytesOf("x")], 1, false), "locked");
  fails(await share.write(alice, id, 19, [bytesOf("x")], 1, false, open(share, inode, both)), "locked");
  ok(await share.write(alice, id, 20, [bytesOf("x")], 1, false));
  ok(await share.read(alice, id, 0, 10)).data.release();
  ok(await share.read(alice, id, 0, 25, owner)).data.release();
  ok(await share.write(alice, id, 0, payload, 25, false, owner));
  share.locks.release(id, owner);
  ok(await share.read(alice, id, 0, 25)).data.release();
});

test("a write that waits for room is judged by the locks there are when it goes on", async () => {
  const { share, content } = await openWorld();
  const { id } = await file(share, "a");
  const { promise, resolve } = Promise.withResolvers<FsError | null>();
  content.admit = () => promise;
  const writing = share.write(alice, id, 15, [bytesOf("x")], 1, false);
  share.locks.lock(id, {}, [ten]);
  resolve(null);
  fails(await writing, "locked");
  expect(share.cached(id)!.size).toBe(0);
});

test("nobody without an open cuts off what somebody has locked, nor lays on to it", async () => {
  const { share } = await openWorld();
  const inode = await file(share, "a");
  const { id } = inode;
  ok(await share.write(alice, id, 0, [bytesOf("0123456789012345678901234")], 25, false));
  const owner = open(share, inode, Right.readData);
  share.locks.lock(id, owner, [ten, { range: rangeOf(0, 30, 0, 1)!, exclusive: false }]);
  fails(await share.setattr(alice, id, { size: 19 }, null), "locked");
  fails(await share.setattr(alice, id, { size: 31 }, null), "locked");
  ok(await share.setattr(alice, id, { size: 20 }, null));
  ok(await share.setattr(alice, id, { size: 30 }, null));
  ok(await share.setattr(alice, id, { size: 0 }, null, owner));
});

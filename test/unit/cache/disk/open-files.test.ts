import { expect, test } from "bun:test";
import { systemCacheFiles } from "#cache/disk/index.ts";
import { OpenFiles } from "#cache/disk/open-files.ts";

const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((turn) => setImmediate(turn));
};

test("all are closed at the end, also one that was closing to make room", async () => {
  const held: PromiseWithResolvers<void>[] = [];
  let fds = 0;
  const close = (): Promise<void> => {
    const one = Promise.withResolvers<void>();
    held.push(one);
    return one.promise;
  };
  const files = new OpenFiles({ ...systemCacheFiles, open: async () => ++fds, close }, 1);
  for (const id of [1, 2]) await files.with(id, String(id), true, async () => {});
  expect(held).toHaveLength(1);
  let closed = false;
  const closing = files.closeAll().then(() => void (closed = true));
  await turns();
  expect(held).toHaveLength(2);
  held[1]?.resolve();
  await turns();
  expect(closed).toBe(false);
  held[0]?.resolve();
  await closing;
});

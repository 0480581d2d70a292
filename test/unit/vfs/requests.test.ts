import { expect, test } from "bun:test";
import { turns } from "../net/helpers.ts";
import { openWorld } from "./kit.ts";

test("a share is drained once every request in hand left", async () => {
  const { share } = await openWorld();
  expect(await share.drain(1000)).toBe(true);
  share.enter();
  share.enter();
  let drained: boolean | null = null;
  const draining = share.drain(1000).then((all) => (drained = all));
  share.leave();
  await turns(2);
  expect(drained).toBeNull();
  // One that came in the last moment counts too.
  share.enter();
  share.leave();
  share.leave();
  expect(await draining).toBe(true);
});

test("draining has an end, and says that not all was answered; whoever asks later is told too", async () => {
  const { share, clock } = await openWorld();
  share.enter();
  const draining = share.drain(1000);
  expect(clock.waits).toEqual([1000]);
  clock.fire();
  expect(await draining).toBe(false);
  const again = [share.drain(1000), share.drain(1000)];
  share.leave();
  expect(await Promise.all(again)).toEqual([true, true]);
  // No timer is left behind.
  expect(clock.pending).toBe(0);
});

import { expect, test } from "bun:test";
import { join } from "node:path";
import { Scrubber } from "#app/work/scrubber.ts";
import { FileType } from "#model/inode.ts";
import { rootId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { bytesOf, make, makeRoot, openCheckable, write } from "../../../support/damaged-share.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { temporary } from "../../../support/temporary.ts";
import { until } from "../../../support/wait.ts";

test("a rate that is taken away and given again lets scrubbing go on at once", async () => {
  const directory = temporary("scrubber");
  const opened = await openCheckable(directory);
  await makeRoot(opened);
  for (let i = 0; i < 3; i++) await write(opened, await make(opened, rootId, `f${i}`, FileType.regular), bytesOf(i, 100_000));
  const clock = new ManualClock();
  const scrubber = new Scrubber({ ...opened.target, clock }, join(directory, "scrub.json"), silentLogger);
  scrubber.setRate(1000);
  clock.pass(0);
  // The second pack has to wait for what the first took.
  await until("the pass to wait for its rate", 5000, () => (clock.waits.includes(250) ? true : null));
  scrubber.setRate(null);
  scrubber.setRate(2000);
  clock.pass(250);
  await until("the pass to end and the next to be planned", 5000, () => (scrubber.state.running ? null : true));
  expect(clock.waits).toEqual([0]);
  clock.pass(0);
  expect(scrubber.state).toMatchObject({ running: true, bytesPerSecond: 2000 });
  let closed = false;
  void scrubber.close().then(() => (closed = true));
  await until("the end of the pass", 5000, () => {
    clock.pass(250);
    return closed ? true : null;
  });
  expect(clock.waits).toEqual([]);
  await opened.close();
});

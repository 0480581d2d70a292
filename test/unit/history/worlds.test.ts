import { expect, test } from "bun:test";
import { ShareTaken } from "#history/index.ts";
import { seedFor } from "../../support/seeded-random.ts";
import { recover, World } from "./world.ts";

/** Worlds drawn from seeds; HISTORY_SEED runs one again, HISTORY_WORLDS sets how many. */

const worlds = Number(Bun.env.HISTORY_WORLDS ?? 12);
const stepsPerWorld = 120;
const realMsMax = 20_000;

async function start(world: World): Promise<void> {
  await world.clock.until(world.start().catch((error: Error) => {
    if (!(error instanceof ShareTaken)) throw error;
  }));
}

/** Another machine recovers the share and takes it; from then on what the first has done since is gone. */
async function takeOver(world: World): Promise<void> {
  world.faults.paused = true;
  world.setOutage(false);
  const acknowledged = world.acknowledged;
  const recovered = await recover(world.store, world.clock, world.seeded, true);
  // As long as nothing can be recovered, the server goes on meanwhile.
  const moment = world.judge(recovered, recovered === null ? acknowledged : world.acknowledged);
  if (recovered === null || recovered.mark === null) return;
  const former = world.history;
  const waited = Promise.resolve(former?.published(60_000));
  if (world.seeded.chance(0.5)) world.kill();
  else {
    // It finds out: by what it publishes, or by looking.
    await world.clock.passInTurns(8_000);
    expect(world.lost).toBeInstanceOf(ShareTaken);
    // What it had published by then is recovered; nothing else ever will be.
    if ((await world.clock.until(waited)) === null) expect(moment).toBe(world.happened.length);
    expect(await world.clock.until(Promise.resolve(former?.published(1000)))).not.toBeNull();
    world.kill();
  }
  world.happened = world.happened.slice(0, moment);
  world.acknowledged = moment;
  world.moveTo(recovered);
  world.faults.paused = false;
  await start(world);
}

async function play(seed: number): Promise<string> {
  const world = new World(seed);
  const { seeded } = world;
  let lives = 1;
  let taken = 0;
  await start(world);
  for (let step = 0; step < stepsPerWorld; step++) {
    const draw = seeded.below(100);
    if (draw < 35) world.write();
    else if (draw < 60) world.commit();
    else if (draw < 75) world.acknowledge();
    else if (draw < 90) await world.clock.passInTurns(seeded.below(300));
    else if (draw < 93) world.setOutage(seeded.chance(0.5));
    else if (draw < 97) {
      world.kill();
      world.judge(await recover(world.store, world.clock, seeded, false));
      lives++;
      await start(world);
      expect(world.lost).toBeNull();
    } else {
      await takeOver(world);
      taken++;
    }
  }
  world.setOutage(false);
  world.faults.paused = true;
  world.acknowledge();
  // Packing a snapshot takes real time.
  for (const end = performance.now() + realMsMax; performance.now() < end && world.acknowledged < world.happened.length; ) {
    await world.clock.passInTurns(1_000);
    if (world.acknowledged < world.happened.length) world.acknowledge();
  }
  expect(world.acknowledged).toBe(world.happened.length);
  world.kill();
  world.judge(await recover(world.store, world.clock, seeded, false));
  return `${world.happened.length} happenings, ${lives} lives, taken ${taken} times`;
}

const first = seedFor("history worlds", "HISTORY_SEED");
for (let i = 0; i < worlds; i++) {
  test(`world ${i}: what is recovered is what happened up to one moment, no earlier than was acknowledged`, async () => {
    await play(first + i);
  }, 60_000);
}

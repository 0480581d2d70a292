import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Effects, Target } from "./effects/index.ts";
import type { Runtime } from "./runtime.ts";
import { type Change, type Changes, type Done, type State } from "./state/index.ts";

/** What every service is made of. */
export interface Core {
  readonly state: State;
  readonly changes: Changes;
  readonly effects: Effects;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What a change is about in the running server, and what becomes of it where that fails. */
export interface Effect {
  readonly target: Target | readonly Target[] | null;
  readonly onFailure: "undo" | "keep";
}

const noTarget: Effect = { target: null, onFailure: "keep" };

/** Makes a change durable and brings it into effect; gives null where there was nothing to change. */
export async function make(core: Core, change: Change, effect: Effect = noTarget): Promise<Done | null> {
  const done = await core.changes.run(change);
  if (done !== null) await core.effects.bringDone(done, effect.target, effect.onFailure);
  return done;
}

export { newId } from "./sessions/ids.ts";

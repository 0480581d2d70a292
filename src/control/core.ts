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
  readonly target: Target | null;
  readonly onFailure: "undo" | "keep";
}

const noTarget: Effect = { target: null, onFailure: "keep" };

/** Makes a change durable and brings it into effect; gives null where there was nothing to change. */
export async function make(core: Core, change: Change, effect: Effect = noTarget): Promise<Done | null> {
  const done = await core.changes.run(change);
  if (done !== null) await core.effects.bringDone(done, effect.target, effect.onFailure);
  return done;
}

/** A UUID of version 4 (RFC 9562 §5.4). */
export function newId(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

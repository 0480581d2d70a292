import type { Announce, Listening } from "#cli/ports.ts";
import type { Config } from "#config/index.ts";
import { openShare, type Surroundings } from "./share.ts";

/** Starts everything, shares first, listeners last; gives what it listens on. */
export async function startServer(config: Config, around: Surroundings, announce: Announce): Promise<readonly Listening[]> {
  for (const one of config.shares) {
    const { recovered } = await openShare(config, one, around);
    if (recovered !== null) announce.recovered(one.name, recovered);
  }
  return [];
}

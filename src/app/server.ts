import type { Announce, Listening } from "#cli/ports.ts";
import type { Config } from "#config/index.ts";
import { createNfsAdapter } from "#nfs/index.ts";
import { type Shares, ShareTable } from "#vfs/index.ts";
import { openShare, type Surroundings } from "./share.ts";

/** The part of a stop's time that requests in hand may take; the rest is for content on its way into its store. */
const drainPart = 0.5;

/** Starts everything, shares first, listeners last; gives what it listens on. */
export async function startServer(config: Config, around: Surroundings, announce: Announce): Promise<readonly Listening[]> {
  const shares = new ShareTable();
  for (const one of config.shares) {
    const { share, recovered } = await openShare(config, one, around);
    shares.add(share);
    if (recovered !== null) announce.recovered(one.name, recovered);
  }
  const nfs = await startNfs(config, shares, around);
  announce.listening(nfs);
  return [nfs];
}

async function startNfs(config: Config, shares: Shares, { clock, logger, lifecycle }: Surroundings): Promise<Listening> {
  const { bind, port, max_read_size, max_write_size, max_connections } = config.adapters.nfs;
  const adapter = createNfsAdapter({
    shares,
    clock,
    logger: logger.child({ part: "nfs" }),
    bind,
    port,
    readMax: max_read_size,
    writeMax: max_write_size,
    limits: { connectionsMax: max_connections },
  });
  const started = await orSay(`nfs can't listen on ${bind} port ${port}`, () => adapter.start());
  lifecycle.started("nfs", (leftMs) => adapter.stop(leftMs * drainPart));
  return { protocol: "nfs", address: bind, port: started.port };
}

/** Does it, or throws an error that says what was tried. */
async function orSay<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

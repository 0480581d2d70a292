import type { Announce, Listening } from "#cli/ports.ts";
import type { Config } from "#config/index.ts";
import { createNfsAdapter, createPortmapper, type RegisteredService } from "#nfs/index.ts";
import { type Shares, ShareTable } from "#vfs/index.ts";
import { mountProgram } from "#wire/mount3.ts";
import { nfsProgram } from "#wire/nfs3.ts";
import { connectionsWithin, openFilesMax } from "./open-files.ts";
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
  if (!config.adapters.nfs.portmapper.enabled) return [nfs];
  const portmapper = await startPortmapper(config, nfs.port, around);
  announce.listening(portmapper);
  return [nfs, portmapper];
}

async function startNfs(config: Config, shares: Shares, { clock, logger, lifecycle }: Surroundings): Promise<Listening> {
  const { bind, port, max_read_size, max_write_size, max_connections } = config.adapters.nfs;
  const connectionsMax = connectionsWithin(max_connections, config.shares.length, openFilesMax());
  if (connectionsMax < max_connections) logger.warn({ connectionsMax, asked: max_connections }, "fewer connections than asked for: the limit of open files (ulimit -n) is too low");
  const adapter = createNfsAdapter({
    shares,
    clock,
    logger: logger.child({ part: "nfs" }),
    bind,
    port,
    readMax: max_read_size,
    writeMax: max_write_size,
    limits: { connectionsMax },
  });
  const started = await orSay(`nfs can't listen on ${bind} port ${port}`, () => adapter.start());
  lifecycle.started("nfs", (leftMs) => adapter.stop(leftMs * drainPart));
  return { protocol: "nfs", address: bind, port: started.port };
}

async function startPortmapper(config: Config, nfsPort: number, { clock, logger, lifecycle }: Surroundings): Promise<Listening> {
  const { bind } = config.adapters.nfs;
  const { port } = config.adapters.nfs.portmapper;
  const services: readonly RegisteredService[] = [nfsProgram, mountProgram].map((program) => ({ program, versions: [3], netid: "tcp", port: nfsPort }));
  const portmapper = createPortmapper({ bind, port, services, clock, logger: logger.child({ part: "portmapper" }) });
  const started = await orSay(`the portmapper can't listen on ${bind} port ${port}`, () => portmapper.start());
  lifecycle.started("portmapper", (leftMs) => portmapper.stop(leftMs * drainPart));
  return { protocol: "portmapper", address: bind, port: started.port };
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EACCES: "this user may not (ports below 1024 take root or CAP_NET_BIND_SERVICE)",
  EADDRNOTAVAIL: "this machine has no such address",
};

/** Does it, or throws an error that says what was tried. */
async function orSay<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new Error(`${what}: ${reasons[code] ?? message}`, { cause: error });
  }
}

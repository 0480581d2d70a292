/**
 * The port mapper: PMAP version 2 and RPCBIND versions 3 and 4 (RFC 1833), over TCP and UDP. Anybody may ask; only this machine may
 * register, and nobody may take away this server's own services. It never calls others on a caller's behalf.
 */
import type { Clock } from "#base/clock.ts";
import { DatagramServer, OutBuffer, recordMarking, streamLimitDefaults, StreamServer, type StreamStats } from "#net/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import { portmapPort, portmapProgram } from "#wire/portmap.ts";
import { Client } from "../client.ts";
import { Dispatcher } from "../rpc.ts";
import { DatagramTransport } from "./datagram-transport.ts";
import { LocalAddresses } from "./local-address.ts";
import { pmap2 } from "./pmap2.ts";
import { Netid, type Registration, Registry } from "./registry.ts";
import { rpcbind } from "./rpcbind.ts";
import type { PortmapSettings } from "./settings.ts";

/** A service of this server that others find through the port mapper. */
export interface RegisteredService {
  readonly program: number;
  readonly versions: readonly number[];
  readonly netid: Netid;
  readonly port: number;
}

export interface PortmapperOptions {
  readonly bind: string;
  /** 111 unless told; 0: any free one. */
  readonly port?: number;
  readonly services: readonly RegisteredService[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Portmapper {
  /** Starts to answer over TCP and UDP. Throws where the address can't be bound. */
  start(): Promise<{ readonly port: number }>;
  /** The services others find from now on: a service moved. */
  serve(services: readonly RegisteredService[]): void;
  stop(deadlineMs: number): Promise<void>;
  /** Of its TCP connections. */
  stats(): Readonly<StreamStats>;
}

const messageBytesMax = 8 * 1024;
const connectionsMax = 256;
const stalledMs = 10_000;
const owner = "superuser";

export function createPortmapper(options: PortmapperOptions): Portmapper {
  const { bind, clock, logger } = options;
  const wildcard = bind === "0.0.0.0" || bind === "::";
  const registry = new Registry();
  const addresses = new LocalAddresses(clock);
  const settings = (netid: Netid): PortmapSettings => ({
    registry,
    netid,
    clock,
    localAddress: (call) => (wildcard ? call.client.transport.localAddress : bind),
  });
  const dispatcherFor = (netid: Netid): Dispatcher => {
    const its = settings(netid);
    const versions = [pmap2(its), rpcbind(3, its), rpcbind(4, its)];
    return new Dispatcher([{ number: portmapProgram, name: "portmapper", versions }], null, logger);
  };
  const overTcp = dispatcherFor(Netid.tcp);
  const overUdp = dispatcherFor(Netid.udp);

  const tcp = overStreams(overTcp, options);
  let udp: DatagramServer | null = null;
  let services = options.services;
  let itself: readonly RegisteredService[] = [];

  return {
    async start() {
      const port = tcp.start();
      udp = overDatagrams(overUdp, addresses, { bind, port, logger });
      try {
        await udp.start();
      } catch (error) {
        await tcp.stop(0);
        throw error;
      }
      itself = Object.values(Netid).map((netid) => ({ program: portmapProgram, versions: [2, 3, 4], netid, port }));
      this.serve(services);
      return { port };
    },
    serve(given) {
      services = given;
      registry.setOwn([...itself, ...services].flatMap(registrationsOf));
    },
    stats: () => tcp.stats,
    async stop(deadlineMs) {
      udp?.stop();
      await tcp.stop(deadlineMs);
    },
  };
}

function overStreams(dispatcher: Dispatcher, { bind, port, clock, logger }: PortmapperOptions): StreamServer<Client> {
  return new StreamServer<Client>({
    bind,
    port: port ?? portmapPort,
    framing: recordMarking,
    limits: { ...streamLimitDefaults, messageBytesMax, connectionsMax, messageStalledMs: stalledMs, unsentStalledMs: stalledMs },
    clock,
    logger,
    handler: {
      message(connection, bytes, start, end, tail, tailBytes) {
        const client = (connection.context ??= new Client(connection));
        if (!dispatcher.dispatch(client, bytes, start, end, tail, tailBytes)) connection.close();
      },
    },
  });
}

/** Answers each datagram with the one reply its dispatch leaves. */
function overDatagrams(
  dispatcher: Dispatcher,
  addresses: LocalAddresses,
  at: { readonly bind: string; readonly port: number; readonly logger: Logger },
): DatagramServer {
  const out = new OutBuffer(messageBytesMax);
  return new DatagramServer({
    ...at,
    handler(bytes, address) {
      const transport = new DatagramTransport(address, addresses.towards(address), out);
      dispatcher.dispatch(new Client(transport), bytes, 0, bytes.length, [], 0);
      return transport.reply;
    },
  });
}

function registrationsOf({ program, versions, netid, port }: RegisteredService): readonly Registration[] {
  return versions.map((version) => ({ program, version, netid, host: "", port, owner, own: true }));
}

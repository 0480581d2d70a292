import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Accounts, LoginAttempts } from "#model/identity.ts";
import { directTcp, type StreamLimits, streamLimitDefaults, StreamServer, type StreamStats } from "#net/index.ts";
import { hooks } from "#telemetry/hooks.ts";
import type { Logger } from "#telemetry/logger.ts";
import { unwatched } from "#telemetry/requests/index.ts";
import type { FileSystem, Shares } from "#vfs/file-system.ts";
import { describeClient, describeMounts, type SmbClient, type SmbMount } from "./clients.ts";
import { SmbConnection } from "./connection.ts";
import { LeaseClients } from "./lease/index.ts";
import { dispatch } from "./dispatch.ts";
import { Durables } from "./durable/index.ts";
import type { LoginCounts, SmbServer, WatchedBy } from "./server.ts";
import { Opens } from "./open/opens.ts";
import { closeTrees, Ending, endSession, mayGoOn } from "./session/ending.ts";
import { Sessions } from "./session/sessions.ts";
import { type SmbSettings, smbSettingDefaults, transferBytesMax } from "./settings.ts";

/** A message is at most a payload and this much of headers. */
const headersBytesMax = 64 * 1024;
/** Connections to where the adapter no longer listens have so long to get their answers. */
export const movedDrainMs = 10_000;

/** Where to listen, and for how many. */
export interface SmbListen {
  readonly bind: string;
  /** 0: any free one. */
  readonly port: number;
  readonly connectionsMax: number;
}

export interface SmbAdapterOptions extends SmbListen {
  readonly shares: Shares;
  readonly accounts: Accounts;
  readonly attempts: LoginAttempts;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The name clients see. */
  readonly name: string;
  readonly settings?: SmbSettings;
  readonly requests?: WatchedBy;
  readonly limits?: Partial<Omit<StreamLimits, "messageBytesMax" | "connectionsMax">>;
}

export interface SmbStats {
  readonly net: Readonly<StreamStats>;
  readonly logins: Readonly<LoginCounts>;
}

export interface SmbAdapter {
  /** Starts to serve. Throws where the address can't be bound. */
  start(): { readonly port: number };
  /** Takes no more requests, answers those it has and closes, at the latest after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
  /** Changes a started adapter, all or nothing: throws where it can't listen as asked. Connections to an old place are closed once they have their answers. */
  reconfigure(listen: SmbListen, settings: SmbSettings): { readonly port: number };
  /**
   * From now on these can log in; sessions of those who can't any more end at once, and so do connections to shares whose policy,
   * replaced before this call, lets their users in no more.
   */
  follow(accounts: Accounts): void;
  /** To be called for a share that no table has any more, before it is drained: what is open in it is closed. */
  shareGone(fs: FileSystem): void;
  stats(): SmbStats;
  /** What clients hold at present. */
  held(): SmbHeld;
  clients(): readonly SmbClient[];
  mounts(): readonly SmbMount[];
  /** Closes a connection at once; false: there is none. */
  disconnect(id: number): boolean;
}

/** Each a number. */
export interface SmbHeld {
  readonly sessions: number;
  readonly trees: number;
  readonly opens: number;
  /** Opens that wait for their clients. */
  readonly durable: number;
  /** Requests that wait for other clients. */
  readonly pending: number;
}

/** SMB 2 and 3 over TCP. */
export function createSmbAdapter(options: SmbAdapterOptions): SmbAdapter {
  return new Adapter(options);
}

class Adapter implements SmbAdapter, SmbServer {
  readonly shares: Shares;
  accounts: Accounts;
  readonly attempts: LoginAttempts;
  settings: SmbSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly requests: WatchedBy;
  readonly logins: LoginCounts = { attempts: 0, failures: 0 };
  readonly guid: Uint8Array;
  readonly name: string;
  bind: string;
  readonly transferBytesMax: number = transferBytesMax;
  readonly leaseClients = new LeaseClients();
  private readonly limits: SmbAdapterOptions["limits"];
  private readonly stream: StreamServer<SmbConnection>;
  readonly sessions: Sessions;
  readonly opens: Opens = new Opens();
  readonly durables: Durables = new Durables(this);
  readonly pending: { count: number; bytes: number } = { count: 0, bytes: 0 };

  constructor(options: SmbAdapterOptions) {
    this.shares = options.shares;
    this.accounts = options.accounts;
    this.attempts = options.attempts;
    this.settings = options.settings ?? smbSettingDefaults;
    this.clock = options.clock;
    this.random = options.random;
    this.logger = options.logger;
    this.requests = options.requests ?? unwatched;
    this.guid = options.random.bytes(16);
    this.name = options.name;
    this.bind = options.bind;
    this.sessions = new Sessions(options.random);
    this.limits = options.limits;
    const server: SmbServer = this;
    this.stream = new StreamServer<SmbConnection>({
      bind: options.bind,
      port: options.port,
      framing: directTcp,
      limits: this.limitsFor(options.connectionsMax),
      clock: options.clock,
      logger: options.logger,
      handler: {
        message(transport, bytes, start, end, tail, tailBytes) {
          const connection = (transport.context ??= new SmbConnection(server, transport));
          if (!dispatch(connection, bytes, start, end, tail, tailBytes)) connection.close("it sent a message that is none of SMB2");
        },
        answersLeft() {
          const watch = hooks ? server.requests.watch : null;
          if (watch !== null) watch.answersLeft();
        },
        closed: ({ context }) => context?.gone(),
      },
    });
  }

  get signingRequired(): boolean {
    return this.settings.signingRequired;
  }

  start(): { readonly port: number } {
    return { port: this.stream.start() };
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.stream.stop(deadlineMs);
    this.durables.endAll(({ durable }) => durable?.persistent !== true);
  }

  reconfigure(listen: SmbListen, settings: SmbSettings): { readonly port: number } {
    const port = this.stream.isAt(listen) ? listen.port : this.stream.move(listen, movedDrainMs);
    this.bind = listen.bind;
    this.stream.setLimits(this.limitsFor(listen.connectionsMax));
    this.settings = settings;
    return { port };
  }

  follow(accounts: Accounts): void {
    this.accounts = accounts;
    for (const session of this.sessions.list()) {
      if (mayGoOn(this, session, accounts)) continue;
      this.logger.info({ client: session.connection?.transport.address, user: session.user?.name }, "ended an SMB session: the user may not go on with it");
      void endSession(this, session, Ending.asked);
    }
    closeTrees(this, null);
    this.durables.endAll(({ tree }) => !mayGoOn(this, tree.session, accounts) || !tree.admits(tree.address));
  }

  shareGone(fs: FileSystem): void {
    closeTrees(this, fs);
    this.durables.endAll(({ tree }) => tree.fs === fs);
  }

  stats(): SmbStats {
    return { net: this.stream.stats, logins: this.logins };
  }

  held(): SmbHeld {
    const { sessions, opens, durables, pending } = this;
    return { sessions: sessions.size, trees: sessions.list().reduce((sum, { trees }) => sum + trees.size, 0), opens: opens.size, durable: durables.waiting, pending: pending.count };
  }

  clients(): readonly SmbClient[] {
    return this.stream.list().map((transport) => describeClient(transport, this.clock));
  }

  mounts(): readonly SmbMount[] {
    return this.stream.list().flatMap((transport) => describeMounts(transport, this.clock));
  }

  disconnect(id: number): boolean {
    const transport = this.stream.list().find((each) => each.id === id);
    if (transport === undefined) return false;
    this.logger.info({ client: transport.address, connection: id }, "closed a connection: an operator asked for it");
    transport.close();
    return true;
  }

  private limitsFor(connectionsMax: number): StreamLimits {
    // Between two replies there is the time that signing or encrypting one takes.
    const heldBytesMax = this.limits?.unsentBytesMax ?? streamLimitDefaults.unsentBytesMax;
    return { ...streamLimitDefaults, heldBytesMax, ...this.limits, connectionsMax, messageBytesMax: transferBytesMax + headersBytesMax };
  }
}

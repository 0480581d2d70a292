import { hostname } from "node:os";
import { smbDialects } from "#config/adapter-options.ts";
import type { AdapterPlan, AdapterState, ClientInfo, MountInfo } from "#control/index.ts";
import type { Encryption } from "#model/credentials.ts";
import { type Accounts, type LoginAttempts, noAccounts } from "#model/identity.ts";
import type { SmbAdapter, SmbHeld, SmbListen, SmbSettings, SmbStats } from "#smb/index.ts";
import type { FileSystem, Shares } from "#vfs/index.ts";
import type { Listening } from "#cli/ports.ts";
import { orSay } from "./listening.ts";
import type { Surroundings } from "../share/open-share.ts";

/** The settings of an adapter's plan, under the names the control plane has for them. */
interface Wanted extends SmbListen {
  readonly settings: SmbSettings;
}

/** The codes of `smbDialects`, in their order (MS-SMB2 2.2.3). */
const dialectCodes = [0x0202, 0x0210, 0x0300, 0x0302, 0x0311] as const;

/** SMB, kept as its plan says: started, changed while it serves, stopped. Its code is loaded when it is first served. */
export class SmbService {
  private readonly shares: Shares;
  private readonly around: Surroundings;
  private readonly attempts: LoginAttempts;
  private readonly bounded: (connections: number) => number;
  private accounts: Accounts = noAccounts;
  private adapter: SmbAdapter | null = null;
  /** What runs now, as it was asked for. */
  private running: Wanted | null = null;
  private port = 0;
  private error: string | null = null;

  /** `bounded`: how many connections may be held where so many are asked for. */
  constructor(shares: Shares, around: Surroundings, attempts: LoginAttempts, bounded: (connections: number) => number) {
    this.shares = shares;
    this.around = around;
    this.attempts = attempts;
    this.bounded = bounded;
  }

  get state(): AdapterState {
    const { adapter, running } = this;
    if (adapter === null || running === null) return { running: false, error: this.error, address: null, port: null, connections: 0 };
    return { running: true, error: this.error, address: running.bind, port: this.port, connections: adapter.stats().net.connections };
  }

  /** What clients hold at present; null: SMB is not served. */
  get held(): SmbHeld | null {
    return this.adapter?.held() ?? null;
  }

  get listening(): readonly Listening[] {
    return this.running === null ? [] : [{ protocol: "smb", address: this.running.bind, port: this.port }];
  }

  /** Null: it is not served. */
  stats(): SmbStats | null {
    return this.adapter?.stats() ?? null;
  }

  /** Brings SMB to its plan. `bind`: the address where the plan names none. Throws, with the reason for an operator, where that can't be: then what served goes on serving. */
  async follow(plan: AdapterPlan | undefined, bind: string, stopMs: number): Promise<void> {
    try {
      if (plan === undefined || !plan.enabled) await this.stop(stopMs);
      else await this.run(wantedOf(plan, bind));
      this.error = null;
    } catch (error) {
      this.error = (error as Error).message;
      throw error;
    }
  }

  /** Policies of shares were replaced, and these can log in: whoever may not go on is sent away at once. */
  followPolicies(accounts: Accounts): void {
    this.accounts = accounts;
    this.adapter?.follow(accounts);
  }

  /** The share is about to be closed. */
  shareGone(fs: FileSystem): void {
    this.adapter?.shareGone(fs);
  }

  /** Takes no more requests and answers those in hand. */
  async stop(deadlineMs: number): Promise<void> {
    const { adapter } = this;
    this.adapter = null;
    this.running = null;
    await adapter?.stop(deadlineMs);
  }

  clients(): readonly ClientInfo[] {
    return (this.adapter?.clients() ?? []).map((client) => ({
      id: `smb-${client.id}`,
      protocol: "smb",
      address: client.address,
      user: client.user,
      shares: client.shares,
      connectedAt: millisecondsOf(client.connectedAt),
      lastSeenAt: millisecondsOf(client.lastCallAt),
      requests: client.requests,
      bytesIn: client.bytesIn,
      bytesOut: client.bytesOut,
    }));
  }

  mounts(): readonly MountInfo[] {
    return (this.adapter?.mounts() ?? []).map((mount) => ({ client: mount.address, protocol: "smb", share: mount.share, path: mount.share, mountedAt: millisecondsOf(mount.mountedAt), seenAt: millisecondsOf(mount.seenAt) }));
  }

  disconnect(id: string): boolean {
    const number = /^smb-(\d{1,15})$/.exec(id)?.[1];
    return number !== undefined && this.adapter !== null && this.adapter.disconnect(Number(number));
  }

  private async run(wanted: Wanted): Promise<void> {
    const before = this.running;
    const { logger } = this.around;
    const connectionsMax = this.bounded(wanted.connectionsMax);
    if (connectionsMax < wanted.connectionsMax && before?.connectionsMax !== wanted.connectionsMax) {
      logger.warn({ connectionsMax, asked: wanted.connectionsMax }, "fewer SMB connections than asked for: the limit of open files (ulimit -n) is too low");
    }
    const { bind, port, settings } = wanted;
    const what = `smb can't listen on ${bind} port ${port}`;
    if (this.adapter === null) {
      const { createSmbAdapter } = await import("#smb/index.ts");
      const { shares, accounts, attempts } = this;
      const { clock, random, telemetry } = this.around;
      const adapter = createSmbAdapter({ shares, accounts, attempts, clock, random, logger: logger.child({ part: "smb" }), bind, port, connectionsMax, settings, name: nameOf(hostname()), requests: telemetry.smbRequests });
      this.port = (await orSay(what, () => adapter.start())).port;
      this.adapter = adapter;
    } else {
      // A port of 0 was a free one; asked for again it would be another.
      const moves = before === null || before.port !== port || before.bind !== bind;
      const at = moves ? port : this.port;
      const { adapter } = this;
      this.port = (await orSay(what, () => adapter.reconfigure({ bind, port: at, connectionsMax }, settings))).port;
      if (moves) logger.info({ address: bind, port: this.port }, "smb moved");
    }
    this.running = wanted;
  }
}

/** The first label of the machine's name: what clients see is a name, and none of a domain. */
function nameOf(host: string): string {
  return host.split(".")[0]?.replaceAll(/[^A-Za-z0-9-]/g, "") || "dittofs";
}

function millisecondsOf({ sec, nsec }: { readonly sec: number; readonly nsec: number }): number {
  return sec * 1000 + Math.floor(nsec / 1e6);
}

function wantedOf({ port, settings }: AdapterPlan, bind: string): Wanted {
  const dialect = (key: string) => dialectCodes[smbDialects.indexOf(settings[key] as (typeof smbDialects)[number])]!;
  return {
    bind: String(settings["bind"]) || bind,
    port,
    connectionsMax: Number(settings["max_connections"]),
    settings: {
      dialectMin: dialect("min_dialect"),
      dialectMax: dialect("max_dialect"),
      signingRequired: settings["signing"] === "required",
      encryption: settings["encryption"] as Encryption,
      transferBytesMax: Number(settings["max_transfer_size"]),
      testControls: settings["test_controls"] === true,
    },
  };
}

import type { Listening } from "#cli/ports.ts";
import type { AdapterState, AdapterType, ClientInfo, Desired, Failure, MountInfo } from "#control/index.ts";
import type { LoginAttempts } from "#model/identity.ts";
import type { Shares } from "#vfs/index.ts";
import { NfsService } from "./nfs-service.ts";
import type { Surroundings } from "../share/open-share.ts";
import { SmbService } from "./smb-service.ts";

/** The protocols a server's shares are served over, each kept as its plan says. */
export class Protocols {
  readonly nfs: NfsService;
  readonly smb: SmbService;

  constructor(shares: Shares, around: Surroundings, attempts: LoginAttempts, bounded: (connections: number) => number) {
    this.nfs = new NfsService(shares, around, bounded);
    this.smb = new SmbService(shares, around, attempts, bounded);
  }

  get listening(): readonly Listening[] {
    return [...this.nfs.listening, ...this.smb.listening];
  }

  state(type: AdapterType): AdapterState {
    return this[type].state;
  }

  clients(): readonly ClientInfo[] {
    return [...this.nfs.clients(), ...this.smb.clients()];
  }

  mounts(): readonly MountInfo[] {
    return [...this.nfs.mounts(), ...this.smb.mounts()];
  }

  disconnect(id: string): boolean {
    return this.nfs.disconnect(id) || this.smb.disconnect(id);
  }

  /** Brings both to their plans; gives what failed. `bind`: where NFS listens when nothing is said of it. */
  async follow({ adapters }: Desired, bind: string, stopMs: number): Promise<readonly Failure[]> {
    const plan = (type: AdapterType) => adapters.find((each) => each.type === type);
    const nfs = plan("nfs");
    const failures: Failure[] = [];
    const follow = async (name: AdapterType, work: Promise<void>): Promise<void> => {
      await work.catch((error: Error) => failures.push({ target: { type: "adapter", name }, reason: error.message }));
    };
    await follow("nfs", this.nfs.follow(nfs, stopMs));
    await follow("smb", this.smb.follow(plan("smb"), String(nfs?.settings["bind"] ?? bind), stopMs));
    return failures;
  }

  async stop(leftMs: number): Promise<void> {
    await Promise.all([this.nfs.stop(leftMs), this.smb.stop(leftMs)]);
  }
}

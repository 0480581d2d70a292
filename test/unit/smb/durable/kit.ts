import { systemClock, type Timer } from "#base/clock.ts";
import type { SmbAdapterOptions } from "#smb/index.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { until } from "../../../support/wait.ts";
import { type CreateFields, SmbFiles } from "../../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../../support/smb-server.ts";

/** The machine's clock, but for the timers of opens that wait for their clients, which fire when told. */
export class PatientClock extends ManualClock {
  private readonly held: Set<number>;

  constructor(held: readonly number[]) {
    super();
    this.held = new Set(held);
  }

  /** Holds timers of this delay, too. */
  hold(delayMs: number): void {
    this.held.add(delayMs);
  }

  override now() {
    return systemClock.now();
  }
  override monotonicMs() {
    return systemClock.monotonicMs();
  }
  override after(delayMs: number, run: () => void): Timer {
    return this.held.has(delayMs) ? super.after(delayMs, run) : systemClock.after(delayMs, run);
  }
}

export const batch = 9;
export const replayed = 0x20000000;
export const guid = (byte: number) => new Uint8Array(16).fill(byte);

export class DurableWorld {
  readonly server: TestSmb;
  readonly clock: PatientClock;

  private constructor(server: TestSmb, clock: PatientClock) {
    this.server = server;
    this.clock = clock;
  }

  static async open(options: Partial<SmbAdapterOptions> = {}, policy: Parameters<typeof smbServer>[1] = {}, on: TestSmb["world"] | null = null): Promise<DurableWorld> {
    const clock = new PatientClock([60_000, 300_000, 5_000]);
    return new DurableWorld(await smbServer({ clock, ...options }, policy, on), clock);
  }

  /** A client of its own; `client` is its GUID. */
  async files(client = 7, user = "alice"): Promise<SmbFiles> {
    const smb = await this.server.connect();
    await smb.negotiate({ clientGuid: guid(client) });
    const reply = await smb.login(user, "secret");
    if (reply.status !== 0) throw new Error(`SESSION_SETUP: ${reply.status.toString(16)}`);
    smb.signs = true;
    return SmbFiles.of(smb);
  }

  /** Ends the connection, and waits until the server has seen it. */
  async lose(files: SmbFiles): Promise<void> {
    const { sessions } = this.server.state;
    const before = sessions.size;
    files.client.close();
    await until("the server sees that the client is gone", 5_000, () => (sessions.size < before ? true : null));
  }

  get waiting(): number {
    return this.server.state.durables.waiting;
  }

  async waits(count: number): Promise<void> {
    await until(`${count} opens wait for their clients`, 5_000, () => (this.waiting === count ? true : null));
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

/** A CREATE of a file that its client keeps to itself. */
export function kept(contexts: CreateFields["contexts"] = [], more: Partial<CreateFields> = {}): CreateFields {
  return { name: "file", access: 0x12019f, share: 0, oplock: batch, contexts: contexts ?? [], ...more };
}

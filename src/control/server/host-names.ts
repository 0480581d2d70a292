import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { isIP } from "node:net";
import type { State } from "../state/index.ts";

/** Asks for a host name's addresses, IPv4 and IPv6; throws where there is no answer. */
export type Resolve = (hostName: string) => Promise<readonly string[]>;

/** How often every name is asked for again. */
export const resolveIntervalMs = 60_000;
/** An answer that takes longer counts as none. */
export const resolveTimeoutMs = 5_000;
/** How long the last answer holds where none comes any more: then nobody gets in by the name, whose address may be somebody else's by now. */
export const answerMsMax = 3_600_000;
/** Addresses kept of one name. */
const addressesMax = 64;
/** Questions under way at once. */
export const questionsMax = 8;

export interface HostNamesParts {
  readonly state: State;
  readonly resolve: Resolve;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Some name has other addresses than before. */
  readonly onChanged: () => void;
}

/** The addresses of the host names in netgroups, asked for in the background. Where nobody answers, the last answer holds, for a while. */
export class HostNames {
  private readonly parts: HostNamesParts;
  private readonly known = new Map<string, readonly string[]>();
  /** When those were answered last. */
  private readonly answeredMs = new Map<string, number>();
  private readonly failing = new Set<string>();
  private timer: Timer | null = null;
  private round: Promise<void> | null = null;
  private again = false;
  private running = false;

  constructor(parts: HostNamesParts) {
    this.parts = parts;
  }

  /** From memory; empty until there was an answer. */
  addresses(hostName: string): readonly string[] {
    return this.known.get(hostName) ?? [];
  }

  start(): void {
    this.running = true;
    this.look();
  }

  /** Asks now, and not only when it is time. */
  look(): void {
    if (!this.running) return;
    this.timer?.cancel();
    this.again = this.round !== null;
    this.round ??= this.ask().finally(() => {
      this.round = null;
      if (!this.running) return;
      if (this.again) this.look();
      else this.timer = this.parts.clock.after(resolveIntervalMs, () => this.look());
    });
  }

  /** Asks now if there are names that were never asked for. */
  lookForNew(): void {
    for (const name of this.names()) if (!this.known.has(name) && !this.failing.has(name)) return this.look();
  }

  close(): void {
    this.running = false;
    this.timer?.cancel();
  }

  private names(): ReadonlySet<string> {
    const members = this.parts.state.netgroupMembers.all();
    return new Set(members.filter(({ type }) => type === "hostname").map(({ value }) => value));
  }

  private async ask(): Promise<void> {
    const names = this.names();
    for (const name of this.known.keys()) if (!names.has(name)) this.forget(name);
    for (const name of this.failing) if (!names.has(name)) this.failing.delete(name);
    const waiting = [...names];
    let changed = false;
    const worker = async () => {
      for (let name = waiting.pop(); name !== undefined && this.running; name = waiting.pop()) changed = (await this.askOne(name)) || changed;
    };
    await Promise.all(Array.from({ length: Math.min(questionsMax, waiting.length) }, worker));
    if (changed && this.running) this.parts.onChanged();
  }

  /** Whether the addresses are others than before. */
  private async askOne(name: string): Promise<boolean> {
    const { logger } = this.parts;
    try {
      const answer = await this.inTime(name);
      // An answer without an address is none: it must not lock out who was let in a minute ago.
      const addresses = [...new Set(answer.filter((address) => isIP(address) !== 0 && !address.includes("%")))].sort().slice(0, addressesMax);
      if (addresses.length === 0) throw new Error("the answer holds no address");
      this.answeredMs.set(name, this.parts.clock.monotonicMs());
      if (this.failing.delete(name)) logger.info({ host: name }, "a host name of a netgroup resolves again");
      if (Bun.deepEquals(this.known.get(name), addresses)) return false;
      this.known.set(name, addresses);
      return true;
    } catch (error) {
      if (!this.failing.has(name)) {
        this.failing.add(name);
        logger.warn({ host: name, reason: (error as Error).message, kept: this.addresses(name) }, "a host name of a netgroup does not resolve; the last answer is kept");
      }
      return this.expire(name);
    }
  }

  /** Whether its last answer is too old by now, and gone. */
  private expire(name: string): boolean {
    const at = this.answeredMs.get(name);
    if (at === undefined || this.parts.clock.monotonicMs() - at < answerMsMax) return false;
    this.forget(name);
    this.parts.logger.warn({ host: name, minutes: answerMsMax / 60_000 }, "a host name of a netgroup has not resolved for too long: nobody gets in by it until it does");
    return true;
  }

  private forget(name: string): void {
    this.known.delete(name);
    this.answeredMs.delete(name);
  }

  private inTime(name: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const late = this.parts.clock.after(resolveTimeoutMs, () => reject(new Error(`no answer within ${resolveTimeoutMs} ms`)));
      void Promise.resolve()
        .then(() => this.parts.resolve(name))
        .then(resolve, reject)
        .finally(() => late.cancel());
    });
  }
}

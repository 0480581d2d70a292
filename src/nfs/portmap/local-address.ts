import { networkInterfaces } from "node:os";
import type { Clock } from "#base/clock.ts";

/** The machine's addresses are looked up again after this long. */
const addressesKeptMs = 5000;

/**
 * Which address of this machine a client reaches, where its packet does not say (UDP on all addresses): one in a network it is in,
 * else the first that is not loopback.
 */
export class LocalAddresses {
  private readonly clock: Clock;
  private known: ReturnType<typeof networkInterfaces> = {};
  private knownUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  towards(client: string): string {
    if (isLoopback(client)) return client.includes(":") ? "::1" : "127.0.0.1";
    const now = this.clock.monotonicMs();
    if (now >= this.knownUntilMs) {
      this.known = networkInterfaces();
      this.knownUntilMs = now + addressesKeptMs;
    }
    const family = client.includes(":") ? "IPv6" : "IPv4";
    let first: string | null = null;
    for (const addresses of Object.values(this.known)) {
      for (const each of addresses ?? []) {
        if (each.internal || each.family !== family) continue;
        if (family === "IPv4" && sameNetwork(client, each.address, each.netmask)) return each.address;
        first ??= each.address;
      }
    }
    return first ?? (family === "IPv6" ? "::1" : "127.0.0.1");
  }
}

export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

function sameNetwork(a: string, b: string, netmask: string): boolean {
  const mask = toNumber(netmask);
  return (toNumber(a) & mask) === (toNumber(b) & mask);
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => (sum << 8) | Number(part), 0);
}

import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** An address of this machine. */
export interface LocalInterface {
  /** Of the interface that has it; several addresses may share one. */
  readonly index: number;
  readonly bitsPerSecond: number;
  readonly family: "IPv4" | "IPv6";
  readonly address: string;
  readonly scope: number;
  /** Reachable from this machine alone. */
  readonly internal: boolean;
}

/** What is said of an interface that doesn't say how fast it is. */
const bitsPerSecondDefault = 1_000_000_000;

/** The addresses of this machine, but for those that mean nothing outside one cable (fe80::/10). */
export function localInterfaces(): readonly LocalInterface[] {
  const found: LocalInterface[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const index = numberIn(name, "ifindex") ?? found.length + 1;
    const bitsPerSecond = (numberIn(name, "speed") ?? 0) * 1_000_000 || bitsPerSecondDefault;
    for (const { family, address, internal, scopeid } of addresses ?? []) {
      if (/^fe[89ab]/i.test(address)) continue;
      found.push({ index, bitsPerSecond, family, address, scope: scopeid ?? 0, internal });
    }
  }
  return found;
}

/** What Linux says of an interface; null elsewhere, and where it says nothing sensible. */
function numberIn(name: string, file: string): number | null {
  try {
    const value = Number(readFileSync(`/sys/class/net/${name}/${file}`, "latin1"));
    return Number.isSafeInteger(value) && value > 0 ? value : null;
  } catch {
    return null;
  }
}

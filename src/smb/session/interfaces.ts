import { readFileSync } from "node:fs";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import type { SmbConnection } from "../connection.ts";

/** NETWORK_INTERFACE_INFO (MS-SMB2 2.2.32.5). */
const entryBytes = 152;
const sockAddrAt = 24;
const familyIpv4 = 2;
const familyIpv6 = 23;
/** What is said of an interface that doesn't say how fast it is. */
const bitsPerSecondDefault = 1_000_000_000;
const entriesMax = 64;

interface Entry {
  readonly index: number;
  readonly bitsPerSecond: number;
  readonly info: NetworkInterfaceInfo;
}

/**
 * The answer of FSCTL_QUERY_NETWORK_INTERFACE_INFO: the addresses at which the server can be reached, for clients that open more
 * connections. A client of this machine is told of this machine's own address only, and nobody else is.
 */
export function interfacesFor(connection: SmbConnection): Uint8Array {
  const { localAddress } = connection.transport;
  const { bind } = connection.server;
  const everywhere = bind === "" || bind === "0.0.0.0" || bind === "::";
  const internal = localAddress === "::1" || localAddress.startsWith("127.");
  const entries: Entry[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const info of addresses ?? []) {
      if (info.internal !== internal || info.address.startsWith("fe80:") || entries.length === entriesMax) continue;
      if (!everywhere && info.address !== bind && info.address !== localAddress) continue;
      if (bind === "0.0.0.0" && info.family !== "IPv4") continue;
      entries.push({ index: numberIn(name, "ifindex") ?? entries.length + 1, bitsPerSecond: (numberIn(name, "speed") ?? 0) * 1_000_000 || bitsPerSecondDefault, info });
    }
  }
  return encode(entries);
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

function encode(entries: readonly Entry[]): Uint8Array {
  const out = new Uint8Array(entries.length * entryBytes);
  const view = new DataView(out.buffer);
  entries.forEach(({ index, bitsPerSecond, info }, i) => {
    const at = i * entryBytes;
    view.setUint32(at, i === entries.length - 1 ? 0 : entryBytes, true);
    view.setUint32(at + 4, index, true);
    view.setUint32(at + 16, bitsPerSecond % 4294967296, true);
    view.setUint32(at + 20, Math.floor(bitsPerSecond / 4294967296), true);
    if (info.family === "IPv4") {
      view.setUint16(at + sockAddrAt, familyIpv4, true);
      out.set(info.address.split(".").map(Number), at + sockAddrAt + 4);
    } else {
      view.setUint16(at + sockAddrAt, familyIpv6, true);
      out.set(ipv6Bytes(info.address), at + sockAddrAt + 8);
      view.setUint32(at + sockAddrAt + 24, info.scopeid ?? 0, true);
    }
  });
  return out;
}

/** The 16 bytes of an address as `networkInterfaces` writes it. */
export function ipv6Bytes(address: string): Uint8Array {
  const [head = "", tail = ""] = address.split("::");
  const words = (part: string): number[] => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const first = words(head);
  const last = address.includes("::") ? words(tail) : [];
  const all = [...first, ...new Array<number>(Math.max(0, 8 - first.length - last.length)).fill(0), ...last];
  return Uint8Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? all[i >> 1]! >> 8 : all[i >> 1]!));
}

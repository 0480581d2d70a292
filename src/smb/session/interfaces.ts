import { type LocalInterface, localInterfaces } from "#net/index.ts";
import type { SmbConnection } from "../connection.ts";

/** NETWORK_INTERFACE_INFO (MS-SMB2 2.2.32.5). */
const entryBytes = 152;
const sockAddrAt = 24;
const familyIpv4 = 2;
const familyIpv6 = 23;
const entriesMax = 64;

/**
 * The answer of FSCTL_QUERY_NETWORK_INTERFACE_INFO: the addresses at which the server can be reached, for clients that open more
 * connections. A client of this machine is told of this machine's own address only, and nobody else is.
 */
export function interfacesFor(connection: SmbConnection): Uint8Array {
  const { localAddress } = connection.transport;
  const { bind } = connection.server;
  const everywhere = bind === "" || bind === "0.0.0.0" || bind === "::";
  const internal = localAddress === "::1" || localAddress.startsWith("127.");
  const reachable = ({ address, family, internal: own }: LocalInterface): boolean =>
    own === internal && (everywhere ? bind !== "0.0.0.0" || family === "IPv4" : address === bind || address === localAddress);
  return encode(localInterfaces().filter(reachable).slice(0, entriesMax));
}

function encode(entries: readonly LocalInterface[]): Uint8Array {
  const out = new Uint8Array(entries.length * entryBytes);
  const view = new DataView(out.buffer);
  entries.forEach(({ index, bitsPerSecond, family, address, scope }, i) => {
    const at = i * entryBytes;
    view.setUint32(at, i === entries.length - 1 ? 0 : entryBytes, true);
    view.setUint32(at + 4, index, true);
    view.setUint32(at + 16, bitsPerSecond % 4294967296, true);
    view.setUint32(at + 20, Math.floor(bitsPerSecond / 4294967296), true);
    if (family === "IPv4") {
      view.setUint16(at + sockAddrAt, familyIpv4, true);
      out.set(address.split(".").map(Number), at + sockAddrAt + 4);
    } else {
      view.setUint16(at + sockAddrAt, familyIpv6, true);
      out.set(ipv6Bytes(address), at + sockAddrAt + 8);
      view.setUint32(at + sockAddrAt + 24, scope, true);
    }
  });
  return out;
}

/** The 16 bytes of an address as the system writes it. */
function ipv6Bytes(address: string): Uint8Array {
  const [head = "", tail = ""] = address.split("::");
  const words = (part: string): number[] => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const first = words(head);
  const last = address.includes("::") ? words(tail) : [];
  const all = [...first, ...new Array<number>(Math.max(0, 8 - first.length - last.length)).fill(0), ...last];
  return Uint8Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? all[i >> 1]! >> 8 : all[i >> 1]!));
}

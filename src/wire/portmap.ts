import type { XdrReader } from "./xdr-reader.ts";
import type { XdrWriter } from "./xdr-writer.ts";

/** The port mapper, program 100000: version 2 (RFC 1833 §3) and RPCBIND versions 3 and 4 (RFC 1833 §2). */
export const portmapProgram = 100000;
export const portmapPort = 111;

export const PmapProcedure = { NULL: 0, SET: 1, UNSET: 2, GETPORT: 3, DUMP: 4, CALLIT: 5 } as const;
export const RpcbProcedure = {
  NULL: 0,
  SET: 1,
  UNSET: 2,
  GETADDR: 3,
  DUMP: 4,
  CALLIT: 5,
  GETTIME: 6,
  UADDR2TADDR: 7,
  TADDR2UADDR: 8,
  GETVERSADDR: 9,
  INDIRECT: 10,
  GETADDRLIST: 11,
  GETSTAT: 12,
} as const;

export const IpProtocol = { tcp: 6, udp: 17 } as const;

/** `mapping` of version 2. */
export interface Pmapping {
  readonly program: number;
  readonly version: number;
  readonly protocol: number;
  readonly port: number;
}

export function decodePmapping(r: XdrReader): Pmapping {
  return { program: r.u32(), version: r.u32(), protocol: r.u32(), port: r.u32() };
}

/** `rpcb` of versions 3 and 4. */
export interface Rpcb {
  readonly program: number;
  readonly version: number;
  readonly netid: string;
  readonly address: string;
  readonly owner: string;
}

/** Each of the strings at most `textMax` bytes. */
export function decodeRpcb(r: XdrReader, textMax: number): Rpcb {
  return { program: r.u32(), version: r.u32(), netid: r.string(textMax), address: r.string(textMax), owner: r.string(textMax) };
}

export function encodeRpcb(w: XdrWriter, b: Rpcb): void {
  w.reserve(8);
  w.u32(b.program | 0);
  w.u32(b.version | 0);
  w.string(b.netid);
  w.string(b.address);
  w.string(b.owner);
}

/** The universal address of an IPv4 or IPv6 endpoint (RFC 5665 §5.2.3): the address, then the port's two bytes in decimal. */
export function universalAddress(address: string, port: number): string {
  return `${address}.${port >> 8}.${port & 0xff}`;
}

/** The address and port of a universal address; null where it is none. */
export function parseUniversalAddress(text: string): { readonly address: string; readonly port: number } | null {
  const match = /^(.+)\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const high = Number(match[2]);
  const low = Number(match[3]);
  if (high > 255 || low > 255) return null;
  return { address: match[1] ?? "", port: high * 256 + low };
}

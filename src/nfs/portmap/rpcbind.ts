import { decodeRpcb, encodeRpcb, parseUniversalAddress, type Rpcb, RpcbProcedure as P, universalAddress } from "#wire/portmap.ts";
import type { XdrReader } from "#wire/xdr-reader.ts";
import type { Call, Procedure } from "../call.ts";
import type { ProgramVersion } from "../rpc.ts";
import { isLoopback } from "./local-address.ts";
import { Netid, type Registration } from "./registry.ts";
import { nothing, type PortmapSettings, portmapProcedure, writeBool } from "./settings.ts";

/** Longest netid, universal address or owner taken from a caller. */
const textBytesMax = 128;
/** Semantics of a transport in an rpcb_entry (RFC 1833 §2.1). */
const semantics = { [Netid.udp]: 1, [Netid.tcp]: 3 } satisfies Record<Netid, number>;

const decode = (args: XdrReader): Rpcb => decodeRpcb(args, textBytesMax);

function netidOf(text: string): Netid | null {
  return text === Netid.tcp || text === Netid.udp ? text : null;
}

function addressOf(entry: Registration, call: Call, settings: PortmapSettings): string {
  return universalAddress(entry.host === "" ? settings.localAddress(call) : entry.host, entry.port);
}

/** RPCBIND versions 3 and 4 (RFC 1833 §2.2), without CALLIT and INDIRECT (calls on behalf of others). */
export function rpcbind(version: 3 | 4, settings: PortmapSettings): ProgramVersion {
  const { registry, clock } = settings;
  /** The transport asked about, or else the one asked over. */
  const find = (b: Rpcb, exact: boolean): Registration | null => {
    const netid = netidOf(b.netid) ?? settings.netid;
    return exact ? registry.exact(b.program, b.version, netid) : registry.find(b.program, b.version, netid);
  };
  const getaddr = (name: string, exact: boolean): Procedure =>
    portmapProcedure(name, decode, (w, b, call) => {
      const entry = find(b, exact);
      w.string(entry === null ? "" : addressOf(entry, call, settings));
    });
  const table: Partial<Record<number, Procedure>> = {
    [P.NULL]: portmapProcedure("RPCB NULL", nothing, () => {}),
    [P.SET]: portmapProcedure("RPCB SET", decode, (w, b, call) => {
      const netid = netidOf(b.netid);
      const at = parseUniversalAddress(b.address);
      const allowed = isLoopback(call.client.address) && netid !== null && at !== null && at.port > 0;
      writeBool(w, allowed && registry.set({ ...b, netid, host: hostOf(at.address), port: at.port, own: false }));
    }),
    [P.UNSET]: portmapProcedure("RPCB UNSET", decode, (w, b, call) => {
      const netid = b.netid === "" ? null : netidOf(b.netid);
      const known = b.netid === "" || netid !== null;
      writeBool(w, isLoopback(call.client.address) && known && registry.unset(b.program, b.version, netid));
    }),
    [P.GETADDR]: getaddr("RPCB GETADDR", false),
    [P.DUMP]: portmapProcedure("RPCB DUMP", nothing, (w, _, call) => {
      for (const entry of registry.list()) {
        writeBool(w, true);
        encodeRpcb(w, { ...entry, address: universalAddress(entry.host === "" ? anyAddress(call) : entry.host, entry.port) });
      }
      writeBool(w, false);
    }),
    [P.GETTIME]: portmapProcedure("RPCB GETTIME", nothing, (w) => {
      w.reserve(4);
      w.u32(clock.now().sec);
    }),
  };
  if (version === 4) {
    table[P.GETVERSADDR] = getaddr("RPCB GETVERSADDR", true);
    table[P.GETADDRLIST] = portmapProcedure("RPCB GETADDRLIST", decode, (w, b, call) => {
      for (const entry of registry.list()) {
        if (entry.program !== b.program || entry.version !== b.version) continue;
        writeBool(w, true);
        w.string(addressOf(entry, call, settings));
        w.string(entry.netid);
        w.reserve(4);
        w.u32(semantics[entry.netid]);
        w.string("inet");
        w.string(entry.netid);
      }
      writeBool(w, false);
    });
  }
  const last = version === 4 ? P.GETSTAT : P.TADDR2UADDR;
  return { version, procedures: Array.from({ length: last + 1 }, (_, number) => table[number] ?? null) };
}

function anyAddress(call: Call): string {
  return call.client.address.includes(":") ? "::" : "0.0.0.0";
}

function hostOf(address: string): string {
  return address === "0.0.0.0" || address === "::" ? "" : address;
}

import { decodePmapping, IpProtocol, PmapProcedure as P } from "#wire/portmap.ts";
import type { Procedure } from "../call.ts";
import type { ProgramVersion } from "../rpc.ts";
import { isLoopback } from "./local-address.ts";
import { Netid } from "./registry.ts";
import { nothing, type PortmapSettings, portmapProcedure, writeBool } from "./settings.ts";

const protocolOf = { [Netid.tcp]: IpProtocol.tcp, [Netid.udp]: IpProtocol.udp } satisfies Record<Netid, number>;

function netidOf(protocol: number): Netid | null {
  if (protocol === IpProtocol.tcp) return Netid.tcp;
  return protocol === IpProtocol.udp ? Netid.udp : null;
}

/** Version 2 (RFC 1833 §3.2). CALLIT is not offered: calling on behalf of others makes an amplifier of us. */
export function pmap2({ registry }: PortmapSettings): ProgramVersion {
  const table: Partial<Record<number, Procedure>> = {
    [P.NULL]: portmapProcedure("PMAP NULL", nothing, () => {}),
    [P.SET]: portmapProcedure("PMAP SET", decodePmapping, (w, m, call) => {
      const netid = netidOf(m.protocol);
      const allowed = isLoopback(call.client.address) && netid !== null && m.port > 0 && m.port <= 0xffff;
      const { program, version, port } = m;
      writeBool(w, allowed && registry.set({ program, version, netid, host: "", port, owner: "unknown", own: false }));
    }),
    [P.UNSET]: portmapProcedure("PMAP UNSET", decodePmapping, (w, m, call) => {
      writeBool(w, isLoopback(call.client.address) && registry.unset(m.program, m.version, null));
    }),
    [P.GETPORT]: portmapProcedure("PMAP GETPORT", decodePmapping, (w, m) => {
      const netid = netidOf(m.protocol);
      w.reserve(4);
      w.u32(netid === null ? 0 : (registry.find(m.program, m.version, netid)?.port ?? 0));
    }),
    [P.DUMP]: portmapProcedure("PMAP DUMP", nothing, (w) => {
      for (const entry of registry.list()) {
        w.reserve(20);
        w.u32(1);
        w.u32(entry.program);
        w.u32(entry.version);
        w.u32(protocolOf[entry.netid]);
        w.u32(entry.port);
      }
      writeBool(w, false);
    }),
  };
  return { version: 2, procedures: Array.from({ length: P.CALLIT + 1 }, (_, number) => table[number] ?? null) };
}

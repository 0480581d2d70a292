import { type NdrReader, NdrWriter } from "#wire/dcerpc.ts";
import type { RpcInterface } from "./pipe.ts";

const ok = 0;
const accessDenied = 5;
const unknownLevel = 124;
const platform = 500;
const versionMajor = 10;
const domain = "WORKGROUP";

/** The workstation service (MS-WKST): NetrWkstaGetInfo at levels 100 and 101; what is above is for administrators. */
export function wkssvc(name: string): RpcInterface {
  return { uuid: "6bffd098-a112-3610-9833-46c3f87e345a", operations: new Map([[0, (args: NdrReader) => getInfo(name, args)]]) };
}

function getInfo(name: string, args: NdrReader): Uint8Array | null {
  args.uniqueString(1024);
  const level = args.u32();
  if (args.failed) return null;
  const out = new NdrWriter().u32(level);
  if (level !== 100 && level !== 101) return out.u32(0).u32(level === 102 ? accessDenied : unknownLevel).bytes();
  out.pointer().u32(platform).stringPointer(name).stringPointer(domain).u32(versionMajor).u32(0);
  if (level === 101) out.stringPointer("");
  return out.flush().u32(ok).bytes();
}

import { type NdrReader, NdrWriter } from "#wire/dcerpc.ts";
import type { RpcInterface } from "./pipe.ts";

/** A share as it is announced. */
export interface AnnouncedShare {
  readonly name: string;
  readonly comment: string;
  readonly pipe: boolean;
}

export interface Announced {
  readonly server: string;
  readonly shares: () => readonly AnnouncedShare[];
}

const ok = 0;
const unknownLevel = 124;
const shareNotFound = 2310;
const typeDisk = 0;
/** STYPE_IPC, STYPE_SPECIAL. */
const typePipe = 0x80000003;
const nameUnitsMax = 1024;
/** Windows NT platform; version 10.0; a server, and no domain controller. */
const platform = 500;
const versionMajor = 10;
const serverType = 0x1003;

/** The server service (MS-SRVS): who the server is and which shares it has. */
export function srvsvc(announced: Announced): RpcInterface {
  return {
    uuid: "4b324fc8-1670-01d3-1278-5a47bf6ee188",
    operations: new Map([
      [15, (args: NdrReader) => shareEnum(announced, args)],
      [16, (args: NdrReader) => shareGetInfo(announced, args)],
      [21, (args: NdrReader) => serverGetInfo(announced, args)],
      [36, (args: NdrReader) => shareEnum(announced, args)],
    ]),
  };
}

/** NetrShareEnum (MS-SRVS 3.1.4.8), levels 0 and 1. */
function shareEnum(announced: Announced, args: NdrReader): Uint8Array | null {
  args.uniqueString(nameUnitsMax);
  const level = args.u32();
  if (args.failed) return null;
  const out = new NdrWriter();
  if (level > 1) return out.u32(level).u32(level).u32(0).u32(0).u32(0).u32(unknownLevel).bytes();
  const shares = announced.shares();
  out.u32(level).u32(level).pointer().u32(shares.length).pointer().u32(shares.length);
  for (const share of shares) entry(out, share, level);
  return out.flush().u32(shares.length).pointer().u32(0).u32(ok).bytes();
}

function entry(out: NdrWriter, share: AnnouncedShare, level: number): void {
  out.stringPointer(share.name);
  if (level === 1) out.u32(share.pipe ? typePipe : typeDisk).stringPointer(share.comment);
}

/** NetrShareGetInfo (MS-SRVS 3.1.4.10), levels 0 and 1. */
function shareGetInfo(announced: Announced, args: NdrReader): Uint8Array | null {
  args.uniqueString(nameUnitsMax);
  const name = args.string(nameUnitsMax);
  const level = args.u32();
  if (args.failed) return null;
  const share = announced.shares().find((each) => each.name.toLowerCase() === name.toLowerCase());
  const out = new NdrWriter().u32(level);
  if (level > 1 || share === undefined) return out.u32(0).u32(share === undefined ? shareNotFound : unknownLevel).bytes();
  out.pointer();
  entry(out, share, level);
  return out.flush().u32(ok).bytes();
}

/** NetrServerGetInfo (MS-SRVS 3.1.4.17), levels 100 and 101. */
function serverGetInfo(announced: Announced, args: NdrReader): Uint8Array | null {
  args.uniqueString(nameUnitsMax);
  const level = args.u32();
  if (args.failed) return null;
  const out = new NdrWriter().u32(level);
  if (level !== 100 && level !== 101) return out.u32(0).u32(unknownLevel).bytes();
  out.pointer().u32(platform).stringPointer(announced.server);
  if (level === 101) out.u32(versionMajor).u32(0).u32(serverType).stringPointer("");
  return out.flush().u32(ok).bytes();
}

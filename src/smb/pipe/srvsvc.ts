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
  /** Seconds since 1970. */
  readonly now: () => number;
}

/** Results (MS-ERREF 2.2). */
const ok = 0;
const accessDenied = 5;
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
/** What of a share a level says (MS-SRVS 2.2.4.23 and following). */
const levels: ReadonlyMap<number, (out: NdrWriter, share: AnnouncedShare) => void> = new Map([
  [0, (out: NdrWriter, share: AnnouncedShare) => void out.stringPointer(share.name)],
  [1, (out: NdrWriter, share: AnnouncedShare) => void out.stringPointer(share.name).u32(typeOf(share)).stringPointer(share.comment)],
  // No flags: clients cache what they ask for, and nothing here is a namespace of DFS.
  [501, (out: NdrWriter, share: AnnouncedShare) => void out.stringPointer(share.name).u32(typeOf(share)).stringPointer(share.comment).u32(0)],
  [1005, (out: NdrWriter) => void out.u32(0)],
]);
/** Those that tell where a share lies and who may use it are for administrators, as on Windows; the control plane has other ways. */
const levelsOfAdministrators: ReadonlySet<number> = new Set([2, 502, 503]);

function typeOf(share: AnnouncedShare): number {
  return share.pipe ? typePipe : typeDisk;
}

function levelFault(level: number): number {
  return levelsOfAdministrators.has(level) ? accessDenied : unknownLevel;
}

/** The server service (MS-SRVS): who the server is and which shares it has. */
export function srvsvc(announced: Announced): RpcInterface {
  return {
    uuid: "4b324fc8-1670-01d3-1278-5a47bf6ee188",
    operations: new Map([
      [15, (args: NdrReader) => shareEnum(announced, args)],
      [16, (args: NdrReader) => shareGetInfo(announced, args)],
      [21, (args: NdrReader) => serverGetInfo(announced, args)],
      [28, (args: NdrReader) => remoteTod(announced, args)],
      [36, (args: NdrReader) => shareEnum(announced, args)],
    ]),
  };
}

/** NetrShareEnum (MS-SRVS 3.1.4.8), levels 0, 1 and 501. */
function shareEnum(announced: Announced, args: NdrReader): Uint8Array | null {
  args.uniqueString(nameUnitsMax);
  const level = args.u32();
  if (args.failed) return null;
  const out = new NdrWriter();
  const write = level === 1005 ? undefined : levels.get(level);
  if (write === undefined) return out.u32(level).u32(level).u32(0).u32(0).u32(0).u32(levelFault(level)).bytes();
  const shares = announced.shares();
  out.u32(level).u32(level).pointer().u32(shares.length).pointer().u32(shares.length);
  for (const share of shares) write(out, share);
  return out.flush().u32(shares.length).pointer().u32(0).u32(ok).bytes();
}

/** NetrShareGetInfo (MS-SRVS 3.1.4.10), levels 0, 1, 501 and 1005. */
function shareGetInfo(announced: Announced, args: NdrReader): Uint8Array | null {
  args.uniqueString(nameUnitsMax);
  const name = args.string(nameUnitsMax);
  const level = args.u32();
  if (args.failed) return null;
  const share = announced.shares().find((each) => each.name.toLowerCase() === name.toLowerCase());
  const out = new NdrWriter().u32(level);
  const write = levels.get(level);
  if (write === undefined || share === undefined) return out.u32(0).u32(share === undefined ? shareNotFound : levelFault(level)).bytes();
  write(out.pointer(), share);
  return out.flush().u32(ok).bytes();
}

/** NetrServerGetInfo (MS-SRVS 3.1.4.17), levels 100 and 101. */
function serverGetInfo(announced: Announced, args: NdrReader): Uint8Array | null {
  args.uniqueString(nameUnitsMax);
  const level = args.u32();
  if (args.failed) return null;
  const out = new NdrWriter().u32(level);
  if (level !== 100 && level !== 101) return out.u32(0).u32(level === 102 ? accessDenied : unknownLevel).bytes();
  out.pointer().u32(platform).stringPointer(announced.server);
  if (level === 101) out.u32(versionMajor).u32(0).u32(serverType).stringPointer("");
  return out.flush().u32(ok).bytes();
}

const daySec = 86_400;
const hourSec = 3600;
const minuteSec = 60;
/** Thursday: the day of the week of 1970-01-01. */
const firstWeekday = 4;
const clockTickHundredths = 310;

/** NetrRemoteTOD (MS-SRVS 3.1.4.21): the time of day in UTC, which is the zone of this server for all who ask. */
function remoteTod(announced: Announced, args: NdrReader): Uint8Array | null {
  args.uniqueString(nameUnitsMax);
  if (args.failed) return null;
  const now = Math.floor(announced.now());
  const date = new Date(now * 1000);
  const inDay = now % daySec;
  const out = new NdrWriter().pointer();
  out.u32(now).u32((now * 1000) % 0xffffffff);
  out.u32(Math.floor(inDay / hourSec)).u32(Math.floor((inDay % hourSec) / minuteSec)).u32(inDay % minuteSec).u32(0);
  out.u32(0).u32(clockTickHundredths);
  out.u32(date.getUTCDate()).u32(date.getUTCMonth() + 1).u32(date.getUTCFullYear()).u32((Math.floor(now / daySec) + firstWeekday) % 7);
  return out.u32(ok).bytes();
}

import type { Sid } from "#model/acl.ts";
import type { Identity } from "#model/identity.ts";
import { decodeSid, encodeSid, sidBytes } from "#model/security-descriptor.ts";
import { type NdrReader, NdrWriter } from "#wire/dcerpc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { type Named, named, SidUse, whoIs } from "./names.ts";
import type { RpcInterface } from "./pipe.ts";

/** Whom the look-ups are answered from. */
export interface Directory {
  readonly server: string;
  /** 16 bytes: what the server's own domain is told from others by. */
  readonly guid: Uint8Array;
  /** Null: none of its users and groups is named to who asks. */
  readonly identity: () => Identity | null;
}

const someNotMapped = 0x107;
const noneMapped = 0xc0000073;
const handleBytes = 20;
/** Look-ups of one call. */
const lookupsMax = 1000;
const nameUnitsMax = 512;
const sidBytesMax = 68;
/** POLICY_INFORMATION_CLASS (MS-LSAD 2.2.4.1): the domain the server belongs to, and its own. */
const primaryDomain = 3;
const accountDomain = 5;

/** The local security authority (MS-LSAD, MS-LSAT): names of SIDs and SIDs of names, as much of it as showing and editing permissions takes. */
export function lsarpc(directory: Directory): RpcInterface {
  const policy = new Uint8Array(handleBytes);
  policy.set(directory.guid, 4);
  const opens = (): Uint8Array => new NdrWriter().raw(policy).u32(NtStatus.SUCCESS).bytes();
  /** An operation on the policy that was opened. */
  const on = (work: (args: NdrReader) => Uint8Array | null) => (args: NdrReader) => {
    const given = args.raw(handleBytes);
    if (args.failed) return null;
    return given.every((byte, i) => byte === policy[i]) ? work(args) : new NdrWriter().u32(NtStatus.INVALID_HANDLE).bytes();
  };
  return {
    uuid: "12345778-1234-abcd-ef00-0123456789ab",
    operations: new Map([
      [0, on(() => new NdrWriter().raw(new Uint8Array(handleBytes)).u32(NtStatus.SUCCESS).bytes())],
      [6, opens],
      [7, on((args) => queryPolicy(directory, args))],
      [14, on((args) => lookupNames(directory, args, "rid"))],
      [15, on((args) => lookupSids(directory, args, false))],
      [44, opens],
      [46, on((args) => queryPolicy(directory, args))],
      [57, on((args) => lookupSids(directory, args, true))],
      [58, on((args) => lookupNames(directory, args, "flaggedRid"))],
      [68, on((args) => lookupNames(directory, args, "sid"))],
    ]),
  };
}

/** A SID of the server's own, from its GUID: no user or group has one below it. */
function ownSid({ guid }: Directory): Sid {
  const view = new DataView(guid.buffer, guid.byteOffset, guid.byteLength);
  return `S-1-5-21-${view.getUint32(0)}-${view.getUint32(4)}-${view.getUint32(8)}`;
}

/** LsarQueryInformationPolicy and its second version (MS-LSAD 3.1.4.4.3, 3.1.4.4.4). */
function queryPolicy(directory: Directory, args: NdrReader): Uint8Array | null {
  const level = args.u16();
  if (args.failed) return null;
  const out = new NdrWriter();
  if (level !== primaryDomain && level !== accountDomain) return out.u32(0).u32(NtStatus.INVALID_PARAMETER).bytes();
  out.pointer().u16(level).countedString(level === primaryDomain ? "WORKGROUP" : directory.server);
  if (level === primaryDomain) out.u32(0);
  else sidPointer(out, ownSid(directory));
  return out.flush().u32(NtStatus.SUCCESS).bytes();
}

function sidPointer(out: NdrWriter, sid: Sid): void {
  out.pointer().later(() => {
    const bytes = new Uint8Array(sidBytes(sid));
    encodeSid(bytes, 0, sid);
    out.u32(bytes[1]!).raw(bytes);
  });
}

/** LsarLookupSids and LsarLookupSids2 (MS-LSAT 3.1.4.9, 3.1.4.10). */
function lookupSids(directory: Directory, args: NdrReader, flagged: boolean): Uint8Array | null {
  const sids = sidsOf(args);
  if (sids === null) return null;
  const identity = directory.identity();
  const found = sids.map((sid) => whoIs(identity, sid));
  const out = new NdrWriter();
  const domains = writeDomains(out, found);
  out.u32(found.length);
  if (found.length === 0) out.u32(0);
  else out.pointer().u32(found.length);
  for (let i = 0; i < found.length; i++) {
    const one = found[i] ?? null;
    // One nobody has is named by itself.
    out.u16(one?.use ?? SidUse.unknown).countedString(one?.name ?? sids[i]!).u32(one === null ? -1 : domains.indexOf(one.domainSid));
    if (flagged) out.u32(0);
  }
  return finish(out.flush(), found);
}

/** SIDs as a call has them: counted, behind pointers. */
function sidsOf(args: NdrReader): readonly Sid[] | null {
  const count = args.u32();
  if (args.u32() === 0) return count === 0 ? [] : null;
  if (args.u32() !== count || count > lookupsMax) return null;
  let pointers = 0;
  for (let i = 0; i < count; i++) if (args.u32() !== 0) pointers++;
  if (pointers !== count) return null;
  const sids: Sid[] = [];
  for (let i = 0; i < count && !args.failed; i++) {
    const length = 8 + args.u32() * 4;
    if (length > sidBytesMax) return null;
    const bytes = args.raw(length);
    const sid = decodeSid(bytes, 0, bytes.length);
    if (sid === undefined) return null;
    sids.push(sid);
  }
  return args.failed ? null : sids;
}

/** How a SID is told: as a domain's number, as that with flags, or whole. */
type Told = "rid" | "flaggedRid" | "sid";

/** LsarLookupNames and its second and third version (MS-LSAT 3.1.4.6, 3.1.4.7, 3.1.4.8). */
function lookupNames(directory: Directory, args: NdrReader, told: Told): Uint8Array | null {
  const names = namesOf(args);
  if (names === null) return null;
  const identity = directory.identity();
  const found = names.map((name) => named(identity, directory.server, name));
  const out = new NdrWriter();
  const domains = writeDomains(out, found);
  out.u32(found.length);
  if (found.length === 0) out.u32(0);
  else out.pointer().u32(found.length);
  for (const one of found) {
    out.u16(one?.use ?? SidUse.unknown);
    if (told !== "sid") out.u32(one === null ? 0 : Number(one.sid.slice(one.sid.lastIndexOf("-") + 1)));
    else if (one === null) out.u32(0);
    else sidPointer(out, one.sid);
    out.u32(one === null ? -1 : domains.indexOf(one.domainSid));
    if (told !== "rid") out.u32(0);
  }
  return finish(out.flush(), found);
}

/** Names as a call has them: counted strings behind pointers. */
function namesOf(args: NdrReader): readonly string[] | null {
  const count = args.u32();
  if (args.u32() !== count || count > lookupsMax) return null;
  const present: boolean[] = [];
  for (let i = 0; i < count; i++) {
    args.u32();
    present.push(args.u32() !== 0);
  }
  const names = present.map((there) => (there ? args.string(nameUnitsMax) : ""));
  return args.failed ? null : names;
}

/** LSAPR_REFERENCED_DOMAIN_LIST (MS-LSAT 2.2.12): each domain once; gives their SIDs in order. */
function writeDomains(out: NdrWriter, found: readonly (Named | null)[]): readonly Sid[] {
  const domains = new Map<Sid, string>();
  for (const one of found) if (one !== null) domains.set(one.domainSid, one.domain);
  out.pointer().u32(domains.size);
  if (domains.size === 0) out.u32(0).u32(0);
  else {
    out.pointer().u32(domains.size).u32(domains.size);
    for (const [sid, name] of domains) {
      out.countedString(name);
      sidPointer(out, sid);
    }
    out.flush();
  }
  return [...domains.keys()];
}

function finish(out: NdrWriter, found: readonly (Named | null)[]): Uint8Array {
  const mapped = found.filter((one) => one !== null).length;
  const status = mapped === found.length ? NtStatus.SUCCESS : mapped === 0 ? noneMapped : someNotMapped;
  return out.u32(mapped).u32(status).bytes();
}

import type { Sid } from "#model/acl.ts";
import { encodeSid, sidBytes } from "#model/security-descriptor.ts";
import { NdrWriter } from "#wire/dcerpc.ts";

/** Arguments of look-ups by lsarpc, for clients of it in tests; `policy` is the handle that an open gave. */

/** LsarLookupSids and LsarLookupSids2, whose last fields are left out (MS-LSAT 3.1.4.11, 3.1.4.10). */
export function sidsArgs(policy: Uint8Array, ...sids: readonly Sid[]): Uint8Array {
  const out = new NdrWriter().raw(policy).u32(sids.length).pointer().u32(sids.length);
  for (const _ of sids) out.pointer();
  for (const sid of sids) {
    const bytes = new Uint8Array(sidBytes(sid));
    encodeSid(bytes, 0, sid);
    out.u32(bytes[1]!).raw(bytes);
  }
  return out.u32(0).u32(0).u16(1).u32(0).bytes();
}

/** LsarLookupNames and LsarLookupNames3, whose last fields are left out (MS-LSAT 3.1.4.8, 3.1.4.6). */
export function namesArgs(policy: Uint8Array, ...names: readonly string[]): Uint8Array {
  const out = new NdrWriter().raw(policy).u32(names.length).u32(names.length);
  for (const name of names) out.countedString(name);
  return out.flush().u32(0).u32(0).u16(1).u32(0).bytes();
}

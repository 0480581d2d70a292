import type { Clock } from "#base/clock.ts";
import { AcceptStat } from "#wire/rpc.ts";
import type { XdrWriter } from "#wire/xdr-writer.ts";
import { XdrFailure, type XdrReader } from "#wire/xdr-reader.ts";
import type { Call, Procedure } from "../call.ts";
import type { Netid, Registry } from "./registry.ts";

export interface PortmapSettings {
  readonly registry: Registry;
  /** The transport these procedures are asked over. */
  readonly netid: Netid;
  readonly clock: Clock;
  /** The address of ours the caller of a call reached. */
  localAddress(call: Call): string;
}

/** Declares a procedure of `decode`, then `answer`; its call is answered with GARBAGE_ARGS where decoding fails. */
export function portmapProcedure<A>(
  name: string,
  decode: (args: XdrReader) => A,
  answer: (w: XdrWriter, args: A, call: Call) => void,
): Procedure {
  return {
    name,
    operation: 0,
    remembered: false,
    run(call, reader) {
      const args = decode(reader);
      if (reader.failure !== XdrFailure.none) return call.reject(AcceptStat.GARBAGE_ARGS);
      const w = call.begin();
      answer(w, args, call);
      call.end();
    },
  };
}

export const nothing = (): null => null;

export function writeBool(w: XdrWriter, value: boolean): void {
  w.reserve(4);
  w.u32(value ? 1 : 0);
}

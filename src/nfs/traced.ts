import { Kind, requestAttribute, type Span, type Tracer } from "#telemetry/tracing/index.ts";
import { mountProgram } from "#wire/mount3.ts";
import { nfsProgram } from "#wire/nfs3.ts";
import type { CallHeader } from "#wire/rpc.ts";
import type { Call } from "./call.ts";
import { nfsRequests } from "./watched.ts";

const programNames: ReadonlyMap<number, string> = new Map([
  [nfsProgram, "nfs"],
  [mountProgram, "mount"],
]);

/** Answers with these are faults of the server or of what it stands on; any other is the client's to hear. */
const faults: ReadonlySet<string> = new Set(["NFS3ERR_IO", "NFS3ERR_SERVERFAULT", "MNT3ERR_IO", "MNT3ERR_SERVERFAULT", "RPC_SYSTEM_ERR"]);

/** Runs a call as a span, which `ended` ends; attributes are those of OpenTelemetry's conventions for ONC RPC. */
export function followed(tracer: Tracer, call: Call, header: CallHeader, run: (call: Call) => void): void {
  const program = programNames.get(header.program) ?? "rpc";
  const name = call.procedure.name.replace(/^MOUNT /, "");
  call.span = tracer.begin(`${program}.${name}`, Kind.server, {
    "rpc.system.name": "onc_rpc",
    "onc_rpc.program.name": program,
    "onc_rpc.version": header.version,
    "onc_rpc.procedure.name": name,
    "onc_rpc.procedure.number": header.procedure,
    "network.peer.address": call.client.address,
    [requestAttribute]: call.requestId,
  });
  call.span.run(() => run(call));
}

/** The call is answered. */
export function ended(span: Span, { procedure, view, id, count, status }: Call): void {
  if (view !== null) span.set("dittofs.share", view.fs.name);
  if (id !== 0) span.set("dittofs.file.id", id);
  if (count > 0) span.set("dittofs.bytes", count);
  const word = nfsRequests.statusName(procedure.operation, status);
  span.set("rpc.response.status_code", word);
  if (faults.has(word)) span.fail(word);
  span.end();
}

import type { Maybe } from "#base/brand.ts";
import { Kind, requestAttribute, type Span, type Tracer } from "#telemetry/tracing/index.ts";
import type { Call } from "./call.ts";
import { operationOf, smbRequests } from "./watched.ts";

/** Answers with these are faults of the server or of what it stands on; any other is the client's to hear. */
const faults: ReadonlySet<string> = new Set(["STATUS_INTERNAL_ERROR", "STATUS_UNEXPECTED_IO_ERROR"]);

/** Handles a request as a span, which `ended` ends. OpenTelemetry has no conventions for SMB: names are as for other kinds of RPC. */
export function followed(tracer: Tracer, call: Call, handle: (call: Call) => Maybe<number>): Maybe<number> {
  const { header, connection } = call;
  call.count = 0;
  const command = smbRequests.operations[operationOf(header.command)] ?? "UNKNOWN";
  call.span = tracer.begin(`smb.${command}`, Kind.server, {
    "rpc.system.name": "smb",
    "rpc.method": command,
    "network.peer.address": connection.transport.address,
    [requestAttribute]: call.requestId,
    "dittofs.smb.dialect": connection.dialect,
    "dittofs.smb.compound": call.index,
  });
  return call.span.run(() => handle(call));
}

/** The request is answered, or never will be. */
export function ended(call: Call, span: Span, status: number): void {
  call.span = null;
  if (call.tree?.fs != null) span.set("dittofs.share", call.tree.fs.name);
  if (call.count > 0) span.set("dittofs.bytes", call.count);
  const word = smbRequests.statusName(0, status);
  span.set("rpc.response.status_code", word);
  if (faults.has(word)) span.fail(word);
  span.end();
}

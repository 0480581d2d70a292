import type { Credentials } from "#model/credentials.ts";
import type { FileId } from "#model/ids.ts";
import type { ShareRequests, WatchedRequest } from "#telemetry/requests/index.ts";
import type { Span } from "#telemetry/tracing/index.ts";
import type { XdrReader } from "#wire/xdr-reader.ts";
import type { XdrWriter } from "#wire/xdr-writer.ts";
import { AcceptStat, type AuthSys, encodeAccepted } from "#wire/rpc.ts";
import type { Client, ShareView } from "./client.ts";
import type { Duplicate } from "./drc.ts";
import type { LateCall } from "./late.ts";
import { rpcErrorStatus } from "./watched.ts";

/** One procedure of a program: decodes its arguments before it first waits, and answers `call` exactly once. */
export interface Procedure {
  readonly name: string;
  /** Its number among those that are watched; where its program's are not, any. */
  readonly operation: number;
  run(call: Call, args: XdrReader): void | Promise<void>;
  /** Not to be done twice: its answer is kept for a client that asks again. */
  readonly remembered: boolean;
  /** Tells the caller to come back, where it takes long; absent: he waits for as long as it takes. */
  readonly comeBack?: (call: Call) => void;
  /** Which of its arguments are a directory's handle with a name behind: done again it would come to something else. Absent: none. */
  readonly namesAt?: readonly number[];
  /** Answers for an error that was thrown, where it is one that clients can do something about; false: it isn't. */
  readonly trouble?: (call: Call, error: unknown) => boolean;
}

/**
 * One call being answered. An answer is encoded without waiting: `begin`, write, `end`. `id`, `otherId` and the numbers are what
 * a handler found in the arguments and its answer needs, so that a handler that waits for nothing needs no closure.
 */
export class Call implements WatchedRequest {
  readonly client: Client;
  readonly writer: XdrWriter;
  readonly xid: number;
  readonly procedure: Procedure;
  /** What an AUTH_SYS credential claims; null: AUTH_NONE. */
  readonly claim: AuthSys | null;
  /** Length of the request and what was charged on it. */
  bytes: number;
  answered = false;
  /** Whether the answer may be given again to the same call repeated. */
  repeatable = true;
  duplicate: Duplicate | null = null;
  /** The share and file the first handle leads to, and who asks there; null until `locate`. */
  view: ShareView | null = null;
  who: Credentials | null = null;
  id: FileId | 0 = 0;
  /** The file a second handle leads to. */
  otherId: FileId | 0 = 0;
  /** Bytes of the file that are read or written. */
  count = 0;
  stable = false;
  /** What it was answered with: a status of its program, or `rpcErrorStatus`. */
  status = 0;
  beganMs = -1;
  waitsIn: ShareRequests | null = null;
  /** Of the request, where it is followed. */
  span: Span | null = null;
  /** Where a READ or WRITE begins in its file; -1: it is another request. */
  offset = -1;
  /** Its arguments, while it waits (`LateCalls`), since which look at those that do, and its neighbours among them. */
  args: Uint8Array | null = null;
  sinceLook = 0;
  older: Call | null = null;
  newer: Call | null = null;
  /** Its caller was told to come back; null: he wasn't. */
  late: LateCall | null = null;
  /** The late call it is the same as. */
  joined: LateCall | null = null;
  /** False: done again it would be refused, and isn't known again either. */
  mayComeBack = true;
  /** Done again it comes to the same although it is about a name. */
  isSameAgain = false;
  private answerAt = 0;

  constructor(
    client: Client,
    writer: XdrWriter,
    xid: number,
    procedure: Procedure,
    claim: AuthSys | null,
    bytes: number,
  ) {
    this.client = client;
    this.writer = writer;
    this.xid = xid;
    this.procedure = procedure;
    this.claim = claim;
    this.bytes = bytes;
  }

  /** Begins the answer: a writer that stands after the header of an accepted, successful reply. */
  begin(status: AcceptStat = AcceptStat.SUCCESS): XdrWriter {
    const w = this.beginRaw();
    encodeAccepted(w, this.xid, status);
    return w;
  }

  /** Begins the answer from its xid on. */
  beginRaw(): XdrWriter {
    const w = this.writer;
    w.attach(this.late === null ? this.client.transport.beginMessage() : this.late.out);
    this.answerAt = w.at;
    return w;
  }

  /** The answer is complete. */
  end(): void {
    const w = this.writer;
    w.commit();
    this.answered = true;
    if (this.late !== null) {
      this.late.answer = w.bytes.slice(this.answerAt, w.at);
      return;
    }
    if (this.duplicate !== null) this.duplicate.answer = w.bytes.slice(this.answerAt, w.at);
    this.client.transport.endMessage();
  }

  /** The same call, for an answer that is given while this one goes on; who repeats it under the same xid gets that answer. */
  toldInstead(): Call {
    const told = new Call(this.client, this.writer, this.xid, this.procedure, this.claim, this.bytes);
    told.standsFor(this);
    told.duplicate = this.duplicate;
    this.duplicate = null;
    // To whoever watches, the request ends with what its caller is told.
    told.beganMs = this.beganMs;
    told.waitsIn = this.waitsIn;
    told.span = this.span;
    this.beganMs = -1;
    this.waitsIn = null;
    this.span = null;
    return told;
  }

  /** It is about the same files as `other`. */
  standsFor({ view, id, otherId }: Call): void {
    this.view = view;
    this.id = id;
    this.otherId = otherId;
  }

  /** The answer is complete with `length` borrowed bytes and their padding after what was written. */
  endWithPayload(slices: readonly Uint8Array[], length: number, lender: { release(): void }): void {
    this.writer.commit();
    this.answered = true;
    this.client.transport.endMessageWithPayload(slices, length, (4 - (length & 3)) & 3, lender);
  }

  /** Answers with an RPC error. */
  reject(status: AcceptStat): void {
    this.repeatable = false;
    this.status = rpcErrorStatus(status);
    this.begin(status);
    this.end();
  }

  /** The client's id as `dittofs client list` has it, and the xid as packet captures show it. */
  get requestId(): string {
    return `nfs-${this.client.transport.id}:${(this.xid >>> 0).toString(16).padStart(8, "0")}`;
  }

  /** For a line of the log that is written on behalf of this call. */
  get logFields(): { readonly request: string; readonly client: string; readonly share?: string; readonly procedure: string; readonly trace?: string } {
    const { client, view, span } = this;
    return {
      request: this.requestId,
      client: client.address,
      procedure: this.procedure.name,
      ...(view === null ? {} : { share: view.fs.name }),
      ...(span === null ? {} : { trace: span.context.traceId }),
    };
  }

  /** The answer will take `bytes` of memory while it is waited for. */
  charge(bytes: number): void {
    this.bytes += bytes;
    this.client.transport.charge(bytes);
  }
}

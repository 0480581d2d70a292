import { Server, ServerCredentials, status, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { until } from "./wait.ts";

/** The part of opentelemetry/proto/trace/v1/trace.proto (1.x) that a receiver of spans looks at, by its field numbers. */
const schema = `syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message Scope { string name = 1; string version = 2; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6; fixed64 start = 7; fixed64 end = 8;
  repeated KeyValue attributes = 9; repeated Event events = 11; repeated Link links = 13; Status status = 15;
}
message Event { fixed64 time = 1; string name = 2; repeated KeyValue attributes = 3; }
message Link { bytes trace_id = 1; bytes span_id = 2; repeated KeyValue attributes = 4; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5; bytes bytes_value = 7; } }
message ArrayValue { repeated AnyValue values = 1; }`;

const root = protobuf.parse(schema, { keepCase: false }).root;
const requestType = root.lookupType("Request");

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface ReceivedSpan {
  readonly trace: string;
  readonly id: string;
  /** "": none. */
  readonly parent: string;
  readonly name: string;
  /** 1: internal, 2: server, 3: client. */
  readonly kind: number;
  readonly attributes: Attributes;
  readonly links: readonly { readonly trace: string; readonly id: string; readonly attributes: Attributes }[];
  readonly events: number;
  /** 2: error. */
  readonly status: number;
  readonly statusMessage: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

interface RawKeyValue {
  readonly key: string;
  readonly value?: Readonly<Record<string, string | number | boolean>>;
}
// biome-ignore lint: what protobufjs gives
type Raw = any;

function attributesOf(raw: readonly RawKeyValue[] = []): Attributes {
  return Object.fromEntries(raw.map(({ key, value = {} }) => [key, Object.values(value)[0] ?? ""]));
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");

function spanOf(raw: Raw): ReceivedSpan {
  return {
    trace: hex(raw.traceId),
    id: hex(raw.spanId),
    parent: hex(raw.parentSpanId),
    name: raw.name,
    kind: raw.kind ?? 0,
    attributes: attributesOf(raw.attributes),
    links: (raw.links ?? []).map((link: Raw) => ({ trace: hex(link.traceId), id: hex(link.spanId), attributes: attributesOf(link.attributes) })),
    events: (raw.events ?? []).length,
    status: raw.status?.code ?? 0,
    statusMessage: raw.status?.message ?? "",
    startNs: BigInt(raw.start),
    endNs: BigInt(raw.end),
  };
}

/** A receiver of traces over OTLP gRPC, as a collector is one: it decodes and keeps what it is sent. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  /** Every message as it came. */
  readonly messages: Buffer[] = [];
  resource: Attributes = {};
  /** What it answers from now on; 0: it takes messages. Null: nothing. */
  answers: number | null = status.OK;
  /** The message it answers with where it takes one. */
  reply: Buffer = Buffer.alloc(0);
  /** Messages that came, also those that were not taken. */
  asked = 0;
  port = 0;
  private server: Server | null = null;
  private readonly tls: { readonly cert: string; readonly key: string } | null;

  private constructor(tls: OtlpReceiver["tls"]) {
    this.tls = tls;
  }

  /** Over TLS with that certificate and key, in PEM; null: without. */
  static async start(tls: { readonly cert: string; readonly key: string } | null = null): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver(tls);
    await receiver.start();
    return receiver;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Listens, again on the port it had. */
  async start(): Promise<void> {
    const server = new Server();
    const passed = (bytes: Buffer): Buffer => bytes;
    const method = { path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export", requestStream: false, responseStream: false, requestSerialize: passed, requestDeserialize: passed, responseSerialize: passed, responseDeserialize: passed };
    server.addService({ export: method }, { export: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => this.take(call.request, answer) });
    const { tls } = this;
    const credentials = tls === null ? ServerCredentials.createInsecure() : ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }]);
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.port}`, credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
    });
    this.server = server;
  }

  /** Goes away at once, with its connections. */
  stop(): void {
    this.server?.forceShutdown();
    this.server = null;
  }

  private take(bytes: Buffer, answer: sendUnaryData<Buffer>): void {
    this.asked++;
    if (this.answers === null) return;
    if (this.answers !== status.OK) return answer({ code: this.answers, details: "as the test has it" });
    this.messages.push(bytes);
    const decoded: Raw = requestType.toObject(requestType.decode(bytes), { longs: String });
    for (const { resource, scopeSpans } of decoded.resourceSpans ?? []) {
      this.resource = attributesOf(resource?.attributes);
      for (const { spans } of scopeSpans ?? []) this.spans.push(...(spans ?? []).map(spanOf));
    }
    answer(null, this.reply);
  }

  named(name: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** Whatever `pick` finds among the spans, once it does. */
  async wait<T>(what: string, pick: (receiver: this) => T | null | undefined, limitMs = 20_000): Promise<T> {
    return await until(`${what} among ${this.spans.length} spans`, limitMs, () => pick(this) ?? null);
  }

  childrenOf(span: ReceivedSpan): ReceivedSpan[] {
    return this.spans.filter(({ parent, trace }) => parent === span.id && trace === span.trace);
  }

  byId(id: string): ReceivedSpan | undefined {
    return this.spans.find((span) => span.id === id);
  }

  /** The span and those it is a part of, the last one first. */
  pathOf(span: ReceivedSpan): string[] {
    const names: string[] = [];
    for (let one: ReceivedSpan | undefined = span; one !== undefined; one = this.byId(one.parent)) names.unshift(one.name);
    return names;
  }
}

import { isIP } from "node:net";
import { checkServerIdentity, getCACertificates } from "node:tls";
import type * as Grpc from "@grpc/grpc-js";
import type { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { Clock } from "#base/clock.ts";

/** OTLP 1.x, "OTLP/gRPC". */
const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/** After this a message is given up, and sent again. */
const messageMsMax = 10_000;
/** Longest part of a collector's own words that is repeated in the log. */
const wordsCharsMax = 500;
/** gRPC's INTERNAL, of a client: the answer is none. */
const unreadable = 13;

/** What came of a message. */
export interface Taken {
  /** Spans of it that the collector took, but threw away: it says so, and why. */
  readonly rejected: number;
  readonly message: string;
  /** A status of gRPC's; 0: it was taken. */
  readonly code: number;
}

/** A receiver of spans. */
export interface Collector {
  take(spans: ReadableSpan[]): Promise<Taken>;
  close(): void;
}

/** The collector that listens at `endpoint`, without TLS where `insecure`. The connection is made with the first message, and anew whenever it was lost. */
export function collectorAt(endpoint: string, insecure: boolean, grpc: typeof Grpc, serializer: typeof ProtobufTraceSerializer, clock: Clock): Collector {
  const agent = { "grpc.primary_user_agent": "dittofs" };
  const client = insecure ? new grpc.Client(endpoint, grpc.credentials.createInsecure(), agent) : secured(endpoint, grpc, agent);
  const passed = (bytes: Buffer): Buffer => bytes;
  return {
    take(spans) {
      const message = bytesOf(serializer.serializeRequest(spans) ?? new Uint8Array(0));
      const { sec, nsec } = clock.now();
      const deadline = sec * 1000 + nsec / 1e6 + messageMsMax;
      return new Promise((resolve) => {
        client.makeUnaryRequest(exportMethod, passed, passed, message, { deadline }, (error, answer) => {
          resolve(error !== null ? { rejected: 0, message: error.message.slice(0, wordsCharsMax), code: error.code } : takenOf(answer ?? new Uint8Array(0), spans.length, serializer));
        });
      });
    },
    close() {
      client.close();
    },
  };
}

/** What an answer says. Whoever listens at the endpoint may have sent anything. */
function takenOf(answer: Uint8Array, sent: number, serializer: typeof ProtobufTraceSerializer): Taken {
  try {
    const { partialSuccess } = serializer.deserializeResponse(answer);
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    return { rejected: Math.min(sent, Math.max(0, rejected)), message: (partialSuccess?.errorMessage ?? "").slice(0, wordsCharsMax), code: 0 };
  } catch {
    return { rejected: 0, message: "its answer is none of OTLP's: does something else than a collector listen there?", code: unreadable };
  }
}

/** Trusts what this machine does, and the authorities that NODE_EXTRA_CA_CERTS names: by itself the client looks at neither. */
function secured(endpoint: string, grpc: typeof Grpc, options: Grpc.ClientOptions): Grpc.Client {
  const roots = new Set((["default", "system", "extra"] as const).flatMap((kind) => getCACertificates(kind)));
  const trusted = Buffer.from([...roots].join("\n"));
  const address = endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) === 0) return new grpc.Client(endpoint, grpc.credentials.createSsl(trusted), options);
  // An address is none to ask for by SNI (RFC 6066 §3), and the client would; the certificate has to be the address's all the same.
  const credentials = grpc.credentials.createSsl(trusted, null, null, { checkServerIdentity: (_, certificate) => checkServerIdentity(address, certificate as Parameters<typeof checkServerIdentity>[1]) });
  return new grpc.Client(endpoint, credentials, { ...options, "grpc.ssl_target_name_override": "localhost" });
}

/** The same bytes, as the client wants them. */
function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

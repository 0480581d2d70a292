import type * as Grpc from "@grpc/grpc-js";
import type { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { Clock } from "#base/clock.ts";

/** OTLP 1.x, "OTLP/gRPC". */
const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/** After this a message is given up, and sent again. */
const messageMsMax = 10_000;

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
  const client = new grpc.Client(endpoint, insecure ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(), { "grpc.primary_user_agent": "dittofs" });
  const passed = (bytes: Buffer): Buffer => bytes;
  return {
    take(spans) {
      const message = Buffer.from(serializer.serializeRequest(spans) ?? []);
      const { sec, nsec } = clock.now();
      const deadline = sec * 1000 + nsec / 1e6 + messageMsMax;
      return new Promise((resolve) => {
        client.makeUnaryRequest(exportMethod, passed, passed, message, { deadline }, (error, answer) => {
          if (error !== null) return resolve({ rejected: 0, message: error.message, code: error.code });
          const { partialSuccess } = serializer.deserializeResponse(answer ?? new Uint8Array(0));
          resolve({ rejected: partialSuccess?.rejectedSpans ?? 0, message: partialSuccess?.errorMessage ?? "", code: 0 });
        });
      });
    },
    close() {
      client.close();
    },
  };
}

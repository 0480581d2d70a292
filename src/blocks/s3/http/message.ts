/** One HTTP request as it goes out, and what comes back. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query, encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: RequestBody | null;
  /** Where the bytes of a successful answer go; null: they are collected, up to `bodyBytesMax`. */
  readonly sink: ResponseSink | null;
}

/** Bytes that are sent, perhaps several times: `open` begins anew. */
export interface RequestBody {
  readonly bytes: number;
  open(): BodyReader;
}

export interface BodyReader {
  /** The next piece, which stays unchanged until the next call; null at the end. */
  next(): Promise<Uint8Array | null> | Uint8Array | null;
  close(): void;
}

/** Takes the body of an answer as it arrives. An error it throws ends the request. */
export interface ResponseSink {
  begin(head: ResponseHead): void;
  take(bytes: Uint8Array): void;
  /** Where the next bytes go, for whoever can receive them there itself and then says how many came; null: only by `take`. */
  room?(): Uint8Array | null;
  took?(bytes: number): void;
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface HttpAnswer extends ResponseHead {
  /** Empty where a sink took it. */
  readonly body: Uint8Array;
}

/** What went wrong below HTTP; `code` is that of the system or of TLS where there is one, or one of ours. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The codes of our own. */
export const Failure = {
  connectTimeout: "CONNECT_TIMEOUT",
  stalled: "STALLED",
  cut: "CUT",
  malformed: "MALFORMED",
  untrusted: "UNTRUSTED",
  notTls: "NOT_TLS",
  queueFull: "QUEUE_FULL",
  closed: "CLOSED",
} as const;

/** Request line and headers as they are sent. */
export function headOf(request: HttpRequest, hostHeader: string): Uint8Array {
  let text = `${request.method} ${request.target} HTTP/1.1\r\nhost: ${hostHeader}\r\n`;
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.toLowerCase() === "host") continue;
    if (/[\r\n\0]/.test(name + value)) throw new TransportError(Failure.malformed, `a header ${name} with a line break`);
    text += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${text}\r\n`, "latin1");
}

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type * as Sdk from "@aws-sdk/client-s3";
import { childSpan, currentSpan, Kind, spanned } from "#telemetry/tracing/index.ts";
import { actionOf } from "./counts.ts";
import { isOfKeys } from "./errors.ts";
import type { HttpAnswer, HttpRequest, RequestBody, ResponseSink } from "./http/message.ts";
import { ConnectionPool } from "./http/pool.ts";
import type { S3Settings } from "./options.ts";

/** The SDK; loaded when the first store of this kind is opened, since it costs 30 MB and 0.2 s. */
let loaded: Promise<typeof Sdk> | null = null;
export function loadSdk(): Promise<typeof Sdk> {
  loaded ??= import("@aws-sdk/client-s3");
  return loaded;
}

/** What a request of the SDK's looks like to the one who carries it. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Bytes that go past the SDK, which neither copies nor hashes them then. */
export interface Payload {
  readonly body?: RequestBody;
  readonly sink?: ResponseSink;
  /** SHA-256 of the body, in hexadecimal: signed with the request, so that the server refuses any other bytes. */
  readonly sha256?: string;
}

/** Keys that are refused are looked for anew this often at most. */
const renewMsMin = 5_000;

/** A client of one store: the SDK's commands over our own connections. Each `send` is one attempt. */
export class S3Client {
  readonly sdk: typeof Sdk;
  readonly #settings: S3Settings;
  readonly #pool: ConnectionPool;
  #client: Sdk.S3Client;
  #renewedMs = Number.NEGATIVE_INFINITY;
  /** What the server's clock said last, in milliseconds since 1970, or null. */
  serverMs: number | null = null;

  constructor(sdk: typeof Sdk, settings: S3Settings) {
    this.sdk = sdk;
    this.#settings = settings;
    this.#pool = new ConnectionPool(settings);
    this.#client = this.#newClient();
  }

  #newClient(): Sdk.S3Client {
    const settings = this.#settings;
    const config: Sdk.S3ClientConfig & { readonly ignoreCache: true } = {
      region: settings.region,
      ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
      ...(settings.credentials === null ? {} : { credentials: settings.credentials }),
      forcePathStyle: settings.pathStyle,
      systemClockOffset: settings.clockOffsetMs,
      // Retries are ours: they go on where a body stopped, and recognise what a lost answer did.
      maxAttempts: 1,
      // Many compatible servers know neither checksums in trailers nor those headers.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      expectContinueHeader: false,
      followRegionRedirects: false,
      customUserAgent: "dittofs",
      requestHandler: this.#handler(),
      // Files of credentials are read anew, and not what they were when the process first did.
      ignoreCache: true,
    };
    return new this.sdk.S3Client(config);
  }

  /** Throws the SDK's errors and TransportError. `Output` is that of the command. */
  async send<Output extends Sdk.ServiceOutputTypes>(command: object, payload: Payload = {}): Promise<Output> {
    const client = this.#client;
    const ask = async () => (await this.#client.send(addHeaders(command, payload.sha256) as never, { payload } as never)) as Output;
    const send = () => traced(command, ask);
    try {
      return await send();
    } catch (error) {
      if (!this.#renewed(client, error)) throw error;
      return await send();
    }
  }

  /** Whether keys that were found, not given, and are refused are looked for anew: who changes them in their file tells nobody. */
  #renewed(used: Sdk.S3Client, error: unknown): boolean {
    const { credentials, clock } = this.#settings;
    if (credentials !== null || !isOfKeys(error)) return false;
    if (used !== this.#client) return true;
    if (clock.monotonicMs() - this.#renewedMs < renewMsMin) return false;
    this.#renewedMs = clock.monotonicMs();
    this.#client.destroy();
    this.#client = this.#newClient();
    return true;
  }

  close(): void {
    this.#pool.close();
    this.#client.destroy();
  }

  #handler() {
    return {
      metadata: { handlerProtocol: "http/1.1" },
      destroy: () => {},
      updateHttpClientConfig: () => {},
      httpHandlerConfigs: () => ({}),
      handle: async (request: SdkRequest, options: { payload?: Payload } = {}) => {
        const answer = await this.#carry(request, options.payload ?? {});
        return { response: { statusCode: answer.status, reason: answer.reason, headers: { ...answer.headers }, body: Readable.from([answer.body], { objectMode: false }) } };
      },
    };
  }

  async #carry(request: SdkRequest, { body, sink }: Payload): Promise<HttpAnswer> {
    const secure = request.protocol === "https:";
    const carried: HttpRequest = {
      method: request.method,
      target: targetOf(request),
      headers: request.headers,
      body: body ?? bodyOf(request.body),
      sink: sink ?? null,
    };
    const span = currentSpan();
    const host = request.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = request.port ?? (secure ? 443 : 80);
    const { clock, counts } = this.#settings;
    const begunMs = clock.monotonicMs();
    let status = 0;
    let answer: HttpAnswer;
    try {
      answer = await this.#pool.send({ secure, host, port }, carried);
      status = answer.status;
    } finally {
      counts.count(actionOf(request.method, request.query), status, clock.monotonicMs() - begunMs);
    }
    if (span !== null) {
      span.set("http.request.method", request.method);
      span.set("http.response.status_code", status);
      span.set("server.address", host);
      span.set("server.port", port);
      const id = answer.headers["x-amz-request-id"];
      if (id !== undefined) span.set("aws.request_id", id);
    }
    const dateMs = Date.parse(answer.headers["date"] ?? "");
    if (!Number.isNaN(dateMs)) this.serverMs = dateMs;
    return answer;
  }
}

/** One request as a span of what it is sent for, in OpenTelemetry's terms for the SDKs of AWS. Keys name packs and segments, no files. */
function traced<T>(command: object, ask: () => Promise<T>): Promise<T> {
  const span = childSpan("S3", { "rpc.system.name": "aws-api" }, Kind.client);
  if (span === null) return ask();
  const method = command.constructor.name.replace(/Command\d*$/, "");
  const { Bucket: bucket, Key: key, Range: range } = (command as { readonly input?: Readonly<Record<string, unknown>> }).input ?? {};
  span.rename(`S3.${method}`);
  span.set("rpc.method", `S3/${method}`);
  if (typeof bucket === "string") span.set("aws.s3.bucket", bucket);
  if (typeof key === "string") span.set("aws.s3.key", key);
  if (typeof range === "string") span.set("dittofs.range", range);
  return spanned(span, ask);
}

/** Headers the SDK has no parameter for. */
function addHeaders(command: object, sha256: string | undefined): unknown {
  const { middlewareStack } = command as { middlewareStack: { add(middleware: unknown, options: object): void } };
  const add = (next: (args: { request: SdkRequest }) => unknown) => (args: { request: SdkRequest }) => {
    const headers = args.request.headers as Record<string, string>;
    if (sha256 !== undefined) headers["x-amz-content-sha256"] = sha256;
    // Deleting many needs it on every server but the newest.
    else if (args.request.method === "POST" && "delete" in (args.request.query ?? {})) headers["content-md5"] = md5(args.request.body);
    return next(args);
  };
  middlewareStack.add(add, { step: "build", name: "dittofsHeaders", override: true });
  return command;
}

function md5(body: unknown): string {
  const bytes = typeof body === "string" || body instanceof Uint8Array ? body : "";
  return createHash("md5").update(bytes).digest("base64");
}

/** The body of a request that the SDK made itself: a little XML. */
function bodyOf(body: unknown): RequestBody | null {
  const bytes = typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array && body.byteLength > 0 ? body : null;
  if (bytes === null || bytes.byteLength === 0) return null;
  return {
    bytes: bytes.byteLength,
    open() {
      let left: Uint8Array | null = bytes;
      return {
        next() {
          const piece = left;
          left = null;
          return piece;
        },
        close() {},
      };
    },
  };
}

function targetOf({ path, query }: SdkRequest): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === null) parts.push(escapeUri(name));
    else for (const one of typeof value === "string" ? [value] : value) parts.push(`${escapeUri(name)}=${escapeUri(one)}`);
  }
  return parts.length === 0 ? path : `${path}?${parts.join("&")}`;
}

function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

import type { Socket, TLSSocketOptions } from "./socket.ts";
import type { Clock, Timer } from "#base/clock.ts";
import type { DirectReceive } from "#base/direct-receive.ts";
import type { DirectBodies, DirectBody } from "./direct-bodies.ts";
import { type BodyReader, Failure, type HttpAnswer, type HttpRequest, headOf, TransportError } from "./message.ts";
import { AnswerParser } from "./parser.ts";

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** Null: without TLS. */
  readonly tls: { readonly ca: string | null; readonly insecure: boolean } | null;
  readonly connectTimeoutMs: number;
  /** Longest time in which nothing moves in either direction while a request is on its way. */
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  /** Absent or null: every byte comes through Bun, as with TLS it does anyway. */
  readonly bodies?: DirectBodies | null;
}

/**
 * Longest time from the first byte of an answer that is only an outcome to its last. Servers that put an upload together send a blank
 * now and then for minutes; one that never ends must not hold a flush for ever.
 */
const outcomeMsMax = 10 * 60_000;

const surplus = new Uint8Array(1);
/** What TLS makes of an answer that is none of its own, such as one of plain HTTP. */
const notTls = /WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|DATA_LENGTH_TOO_LONG|INVALID_ALERT|UNEXPECTED_MESSAGE/;

/** One connection, one request at a time. It is of no more use once `closed`. */
export class Connection implements DirectBody {
  readonly #options: ConnectionOptions;
  #socket: Socket | null = null;
  #exchange: Exchange | null = null;
  #ready = Promise.withResolvers<void>();
  #timer: Timer | null = null;
  #movedMs = 0;
  /** Some of the answer has come. */
  #begun = false;
  #begunMs = 0;
  /** Requests answered. */
  served = 0;
  closed = false;
  /** Called once when the connection is gone. */
  onClose: () => void = () => {};

  private constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Throws TransportError. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options);
    const timer = options.clock.after(options.connectTimeoutMs, () =>
      connection.#fail(new TransportError(Failure.connectTimeout, `no connection within ${options.connectTimeoutMs} ms`)),
    );
    try {
      connection.#connect();
      await connection.#ready.promise;
      return connection;
    } finally {
      timer.cancel();
    }
  }

  #connect(): void {
    const { host, port, tls } = this.#options;
    const secure: TLSSocketOptions | null =
      tls === null ? null : { rejectUnauthorized: !tls.insecure, serverName: host, ...(tls.ca === null ? {} : { ca: tls.ca }) };
    const handlers = {
      open: (socket: Socket) => {
        this.#socket = socket;
        if (this.closed) return void socket.terminate();
        if (secure === null) this.#ready.resolve();
      },
      handshake: (socket: Socket, success: boolean, error: { code?: string; message?: string } | null) => {
        if (!success && notTls.test(error?.message ?? "")) return this.#fail(new TransportError(Failure.notTls, "what answers does not speak TLS"));
        if (success && (tls?.insecure === true || socket.authorized)) return this.#ready.resolve();
        if (tls?.insecure === true) return this.#fail(new TransportError(Failure.cut, `TLS could not be agreed on (${error?.code ?? "no reason given"})`));
        this.#fail(new TransportError(Failure.untrusted, `its certificate is not trusted (${error?.code ?? "no reason given"})`));
      },
      data: (_socket: Socket, bytes: Uint8Array) => this.#data(bytes),
      drain: () => {
        this.#moved();
        this.#exchange?.pump();
      },
      end: () => this.#ended(),
      close: () => this.#ended(),
      error: (_socket: Socket, error: Error) => this.#fail(asTransportError(error)),
      connectError: (_socket: Socket, error: Error) => this.#fail(asTransportError(error)),
    };
    const settings = { hostname: host, port, socket: handlers, ...(secure === null ? {} : { tls: secure }) };
    // The types ask for the handlers of one kind of socket; these serve both.
    Bun.connect(settings as unknown as Parameters<typeof Bun.connect>[0]).catch((error: unknown) => this.#fail(asTransportError(error)));
  }

  /** Sends a request and waits for its answer. Throws TransportError, or what the sink or the body threw. */
  async send(request: HttpRequest, hostHeader: string): Promise<HttpAnswer> {
    const socket = this.#socket;
    if (this.closed || socket === null) throw new TransportError(Failure.closed, "the connection is closed");
    const exchange = new Exchange(socket, request, () => this.#moved(), (error) => this.#fail(error));
    this.#exchange = exchange;
    this.#begun = false;
    this.#moved();
    this.#watch();
    try {
      exchange.start(headOf(request, hostHeader));
      const answer = await exchange.answered.promise;
      this.served++;
      if (!exchange.parser.reusable || !exchange.sent) this.close();
      return answer;
    } finally {
      this.#exchange = null;
      this.#options.bodies?.remove(this);
      this.#timer?.cancel();
      exchange.end();
    }
  }

  /** Whether the failed request may have been lost with an idle connection that the other side was closing. */
  get unanswered(): boolean {
    return this.served > 0 && !this.#begun;
  }

  close(): void {
    this.#fail(new TransportError(Failure.closed, "the connection was closed"));
  }

  #moved(): void {
    this.#movedMs = this.#options.clock.monotonicMs();
  }

  #watch(): void {
    const { clock, stallTimeoutMs } = this.#options;
    const leftMs = stallTimeoutMs - (clock.monotonicMs() - this.#movedMs);
    this.#timer = clock.after(Math.max(1, leftMs), () => {
      if (this.#exchange === null) return;
      const now = clock.monotonicMs();
      if (this.#begun && !this.#exchange.hasSink && now - this.#begunMs >= outcomeMsMax) return this.#fail(new TransportError(Failure.stalled, `the answer did not end within ${outcomeMsMax} ms`));
      if (now - this.#movedMs < stallTimeoutMs) return this.#watch();
      this.#fail(new TransportError(Failure.stalled, `nothing moved for ${stallTimeoutMs} ms`));
    });
  }

  #data(bytes: Uint8Array): void {
    this.#moved();
    const exchange = this.#exchange;
    // Bytes nobody asked for: whatever this is, it is no connection for the next request.
    if (exchange === null) return this.close();
    if (!this.#begun) this.#begunMs = this.#movedMs;
    this.#begun = true;
    try {
      exchange.parser.take(bytes);
    } catch (error) {
      return this.#fail(error);
    }
    if (exchange.parser.done) return exchange.answered.resolve(exchange.parser.answer);
    const { bodies, tls } = this.#options;
    if (bodies == null || tls !== null || exchange.parser.room() === null) return;
    bodies.add(this);
    bodies.drain();
  }

  receive(receiver: DirectReceive, bytesMax: number): number {
    const exchange = this.#exchange;
    const room = exchange?.parser.room() ?? null;
    if (exchange === null || room === null || this.closed || this.#socket === null) return 0;
    let got = 0;
    try {
      got = receiver.receive(this.#socket.fd, room, Math.min(room.byteLength, bytesMax));
      if (got === 0) return 0;
      this.#moved();
      exchange.parser.took(got);
    } catch (error) {
      this.#fail(error);
      return got;
    }
    if (exchange.parser.done) {
      this.#options.bodies?.remove(this);
      // The next request must not be answered by what nobody asked for.
      if (receiver.receive(this.#socket.fd, surplus, 1) > 0) exchange.parser.reusable = false;
      exchange.answered.resolve(exchange.parser.answer);
    }
    return got;
  }

  #ended(): void {
    const exchange = this.#exchange;
    if (exchange !== null && !this.closed && exchange.parser.headSeen) {
      try {
        exchange.parser.end();
        exchange.answered.resolve(exchange.parser.answer);
      } catch (error) {
        return this.#fail(error);
      }
    }
    this.#fail(new TransportError(Failure.cut, "the connection was closed before an answer"));
  }

  #fail(error: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.#timer?.cancel();
    this.#socket?.terminate();
    this.#ready.reject(error);
    this.#ready.promise.catch(() => {});
    this.#exchange?.answered.reject(error);
    this.onClose();
  }
}

/** A request on its way. */
class Exchange {
  readonly parser: AnswerParser;
  readonly answered = Promise.withResolvers<HttpAnswer>();
  readonly hasSink: boolean;
  readonly #socket: Socket;
  readonly #moved: () => void;
  readonly #failed: (error: unknown) => void;
  readonly #body: BodyReader | null;
  #piece: Uint8Array | null = null;
  #at = 0;
  #asking = false;
  #ended = false;
  /** All of the request is with the kernel. */
  sent = false;

  constructor(socket: Socket, request: HttpRequest, moved: () => void, failed: (error: unknown) => void) {
    this.#socket = socket;
    this.hasSink = request.sink !== null;
    this.parser = new AnswerParser(request.method, request.sink);
    this.#body = request.body?.open() ?? null;
    this.#moved = moved;
    this.#failed = failed;
    this.answered.promise.catch(() => {});
  }

  start(head: Uint8Array): void {
    this.#piece = head;
    this.pump();
  }

  end(): void {
    this.#ended = true;
    this.#body?.close();
  }

  /** Hands the kernel what it takes; goes on at the next drain, or when the body has more. */
  pump(): void {
    while (!this.#ended && !this.sent && !this.#asking) {
      const piece = this.#piece;
      if (piece === null || this.#at === piece.byteLength) {
        if (!this.#advance()) return;
        continue;
      }
      const took = this.#socket.write(piece, this.#at, piece.byteLength - this.#at);
      if (took <= 0) return;
      this.#moved();
      this.#at += took;
      if (this.#at < piece.byteLength) return;
    }
  }

  /** Takes the next piece; false where it has to be waited for. */
  #advance(): boolean {
    const next = this.#body === null ? null : this.#body.next();
    if (!(next instanceof Promise)) {
      this.#use(next);
      return true;
    }
    this.#asking = true;
    next.then(
      (piece) => {
        this.#asking = false;
        this.#moved();
        this.#use(piece);
        this.pump();
      },
      (error: unknown) => this.#failed(error),
    );
    return false;
  }

  #use(piece: Uint8Array | null): void {
    this.#piece = piece;
    this.#at = 0;
    if (piece === null) this.sent = true;
  }
}

function asTransportError(error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  return new TransportError(code, error instanceof Error ? error.message : String(error));
}

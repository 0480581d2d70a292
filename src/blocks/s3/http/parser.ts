import { Failure, type HttpAnswer, type ResponseHead, type ResponseSink, TransportError } from "./message.ts";

/** Most bytes of status line and headers, of a chunk's size line, and of a body nobody has a place for. */
const headBytesMax = 64 * 1024;
const lineBytesMax = 1024;
const bodyBytesMax = 32 * 1024 * 1024;

const headEnd = Buffer.from("\r\n\r\n");
const lineEnd = Buffer.from("\r\n");

const State = { head: 0, sized: 1, untilClose: 2, chunkSize: 3, chunk: 4, chunkEnd: 5, trailer: 6, done: 7 } as const;
type State = (typeof State)[keyof typeof State];

/** Reads one answer from the bytes of a connection (RFC 9112): whole heads, and bodies piece by piece into their sink. */
export class AnswerParser {
  readonly #method: string;
  readonly #sink: ResponseSink | null;
  #state: State = State.head;
  #kept: Buffer = Buffer.alloc(0);
  #head: ResponseHead = { status: 0, reason: "", headers: {} };
  #left = 0;
  #toSink = false;
  #collected: Uint8Array[] = [];
  #collectedBytes = 0;
  /** The connection can carry another request afterwards. */
  reusable = true;
  /** A byte of the answer has been seen. */
  begun = false;

  constructor(method: string, sink: ResponseSink | null) {
    this.#method = method;
    this.#sink = sink;
  }

  get done(): boolean {
    return this.#state === State.done;
  }

  get headSeen(): boolean {
    return this.#head.status >= 200;
  }

  get answer(): HttpAnswer {
    const body = this.#collected.length === 1 ? (this.#collected[0] as Uint8Array) : Buffer.concat(this.#collected);
    return { ...this.#head, body };
  }

  take(bytes: Uint8Array): void {
    if (bytes.byteLength > 0) this.begun = true;
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (rest.byteLength > 0 && this.#state !== State.done) rest = this.#step(rest);
    if (rest.byteLength > 0) this.reusable = false;
  }

  /** Where the next bytes of the body go, if nothing but the body is still to come and its sink has a place for it. */
  room(): Uint8Array | null {
    if (this.#state !== State.sized || !this.#toSink) return null;
    const room = this.#sink?.room?.() ?? null;
    // A body that goes on where its place is full: who takes it says what is wrong with it.
    if (room === null || room.byteLength === 0) return null;
    return room.byteLength <= this.#left ? room : room.subarray(0, this.#left);
  }

  /** So many bytes were received there. */
  took(bytes: number): void {
    this.#sink?.took?.(bytes);
    this.#left -= bytes;
    if (this.#left === 0) this.#state = State.done;
  }

  /** The other side has closed. Throws where the answer is not whole. */
  end(): void {
    if (this.#state === State.untilClose) this.#state = State.done;
    if (this.#state !== State.done) throw new TransportError(Failure.cut, "the connection was closed in the middle of an answer");
  }

  /** Uses some of the bytes; what is left. */
  #step(bytes: Buffer): Buffer {
    switch (this.#state) {
      case State.head:
        return this.#line(bytes, headEnd, headBytesMax, (text) => this.#parseHead(text));
      case State.chunkSize:
        return this.#line(bytes, lineEnd, lineBytesMax, (text) => this.#parseChunkSize(text));
      case State.chunkEnd:
        return this.#line(bytes, lineEnd, lineBytesMax, (text) => {
          if (text !== "") throw malformed("a chunk is longer than it said");
          this.#state = State.chunkSize;
        });
      case State.trailer:
        return this.#line(bytes, lineEnd, headBytesMax, (text) => {
          if (text === "") this.#state = State.done;
        });
      case State.untilClose:
        this.#deliver(bytes);
        return bytes.subarray(bytes.byteLength);
      default: {
        const part = bytes.subarray(0, this.#left);
        this.#deliver(part);
        this.#left -= part.byteLength;
        if (this.#left === 0) this.#state = this.#state === State.sized ? State.done : State.chunkEnd;
        return bytes.subarray(part.byteLength);
      }
    }
  }

  /** Gives `use` the text before `end` once it is there. */
  #line(bytes: Buffer, end: Buffer, bytesMax: number, use: (text: string) => void): Buffer {
    const all = this.#kept.byteLength === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const at = all.indexOf(end);
    if (at < 0 || at > bytesMax) {
      if (all.byteLength > bytesMax) throw malformed("a line or head without end");
      this.#kept = Buffer.from(all);
      return bytes.subarray(bytes.byteLength);
    }
    this.#kept = Buffer.alloc(0);
    use(all.toString("latin1", 0, at));
    return all.subarray(at + end.byteLength);
  }

  #parseHead(text: string): void {
    const lines = text.split("\r\n");
    const match = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/.exec(lines[0] ?? "");
    if (match === null) throw malformed("what answers does not speak HTTP");
    const status = Number(match[2]);
    if (status < 200) return; // an interim answer: the real one follows
    const headers: Record<string, string> = {};
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(":");
      if (colon <= 0) throw malformed("a header without a name");
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    this.#head = { status, reason: match[3] ?? "", headers };
    const connection = (headers["connection"] ?? "").toLowerCase();
    if (connection.includes("close") || (match[1] === "0" && !connection.includes("keep-alive"))) this.reusable = false;
    this.#frame(status, headers);
  }

  /** How long the body is (RFC 9112 section 6.3). */
  #frame(status: number, headers: Readonly<Record<string, string>>): void {
    const length = headers["content-length"];
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw malformed(`the content length "${length}"`);
    if (this.#method === "HEAD" || status === 204 || status === 304) {
      this.#state = State.done;
    } else if (headers["transfer-encoding"] !== undefined) {
      if (headers["transfer-encoding"].toLowerCase() !== "chunked") throw malformed("a transfer encoding other than chunked");
      this.#state = State.chunkSize;
    } else if (length === undefined) {
      this.reusable = false;
      this.#state = State.untilClose;
    } else {
      this.#left = Number(length);
      this.#state = this.#left === 0 ? State.done : State.sized;
    }
    this.#toSink = this.#sink !== null && status >= 200 && status < 300;
    if (this.#toSink) this.#sink?.begin(this.#head);
  }

  #parseChunkSize(text: string): void {
    const digits = /^([0-9a-fA-F]{1,12})(?:[ \t]*;.*)?$/.exec(text)?.[1];
    if (digits === undefined) throw malformed("the size of a chunk");
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? State.trailer : State.chunk;
  }

  #deliver(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    if (this.#toSink) return this.#sink?.take(bytes);
    this.#collectedBytes += bytes.byteLength;
    if (this.#collectedBytes > bodyBytesMax) throw malformed("an answer too long");
    // A copy: `slice` of a Buffer is none.
    this.#collected.push(new Uint8Array(bytes));
  }
}

function malformed(what: string): TransportError {
  return new TransportError(Failure.malformed, `malformed answer: ${what}`);
}

import type { Time } from "#base/time.ts";
import type { Attributes, Span, SpanContext } from "./span.ts";

/**
 * OTLP 1.x: opentelemetry/proto/collector/trace/v1/trace_service.proto, trace/v1/trace.proto and common/v1/common.proto, as far as it is said here.
 * Written from the spans themselves in one pass: a server that follows many requests does this for each, and messages in
 * between took longer than the requests.
 */

/** Bounds of one span, whatever is said of it. */
const attributesMax = 64;
const valueCharsMax = 256;
const linksRecordedMax = 64;

/** Tags: a field's number and how it is written (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes). */
const varint = 0;
const fixed64 = 1;
const bytes = 2;
const fixed32 = 5;
const tag = (field: number, wire: number): number => (field << 3) | wire;

const statusError = 2;
/** Flags of a span and of a link: W3C's of the trace (sampled), and what is known of the other span's being elsewhere. */
const flagSampled = 1;
const flagRemoteKnown = 0x100;
const flagRemote = 0x200;

const lengthMarkMax = 0x7f;
const asciiMax = 0x7f;
const roomMin = 64 * 1024;

/** Bytes that grow. Lengths of parts are written when they are known. */
class Message {
  private buffer = Buffer.allocUnsafe(roomMin);
  private view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength);
  private at = 0;

  /** A copy: the room is used again. */
  taken(): Buffer {
    const copy = Buffer.from(this.buffer.subarray(0, this.at));
    this.at = 0;
    return copy;
  }

  private reserve(length: number): void {
    if (this.at + length <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + length));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
    this.view = new DataView(larger.buffer, larger.byteOffset, larger.byteLength);
  }

  private number(value: number): void {
    let rest = value;
    while (rest > lengthMarkMax) {
      this.buffer[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.at++] = rest;
  }

  varint(field: number, value: number): void {
    this.reserve(20);
    this.number(tag(field, varint));
    if (value >= 0) return this.number(value);
    for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
      const last = rest < 128n;
      this.buffer[this.at++] = Number(rest & 127n) | (last ? 0 : 0x80);
      if (last) return;
    }
  }

  double(field: number, value: number): void {
    this.reserve(16);
    this.number(tag(field, fixed64));
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  fixed32(field: number, value: number): void {
    this.reserve(16);
    this.number(tag(field, fixed32));
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  /** Nanoseconds since 1970: more than a number holds, so in two parts of 32 bits. */
  time(field: number, { sec, nsec }: Time): void {
    this.reserve(16);
    this.number(tag(field, fixed64));
    const high = Math.floor(sec / 65_536) * 1e9;
    const rest = (high % 65_536) * 65_536 + (sec % 65_536) * 1e9 + nsec;
    this.view.setUint32(this.at, rest % 2 ** 32, true);
    this.view.setUint32(this.at + 4, Math.floor(high / 65_536) + Math.floor(rest / 2 ** 32), true);
    this.at += 8;
  }

  id(field: number, hex: string): void {
    this.reserve(32);
    this.number(tag(field, bytes));
    this.number(hex.length / 2);
    this.at += this.buffer.write(hex, this.at, "hex");
  }

  text(field: number, value: string): void {
    const { length } = value;
    this.reserve(length * 3 + 16);
    this.number(tag(field, bytes));
    const from = this.at;
    if (length <= lengthMarkMax) {
      this.buffer[this.at++] = length;
      let i = 0;
      for (let code = 0; i < length && (code = value.charCodeAt(i)) <= asciiMax; i++) this.buffer[this.at++] = code;
      if (i === length) return;
      this.at = from;
    }
    const encoded = Buffer.byteLength(value);
    this.number(encoded);
    this.at += this.buffer.write(value, this.at, encoded, "utf8");
  }

  /** Begins a part; what it gives is to be handed to `end`. */
  begin(field: number): number {
    this.reserve(16);
    this.number(tag(field, bytes));
    return ++this.at;
  }

  end(from: number): void {
    const length = this.at - from;
    if (length <= lengthMarkMax) {
      this.buffer[from - 1] = length;
      return;
    }
    let more = 0;
    for (let rest = length; rest > lengthMarkMax; rest = Math.floor(rest / 128)) more++;
    this.reserve(more);
    this.buffer.copyWithin(from + more, from, this.at);
    this.at = from - 1;
    this.number(length);
    this.at += length;
  }
}

const message = new Message();

/** An ExportTraceServiceRequest of these spans. */
export function encodeSpans(spans: readonly Span[], resource: Attributes, version: string): Buffer {
  const resourceSpans = message.begin(1);
  const about = message.begin(1);
  for (const key in resource) writeAttribute(1, key, resource[key]!);
  message.end(about);
  const scopeSpans = message.begin(2);
  const scope = message.begin(1);
  message.text(1, "dittofs");
  message.text(2, version);
  message.end(scope);
  for (let i = 0; i < spans.length; i++) writeSpan(spans[i]!);
  message.end(scopeSpans);
  message.end(resourceSpans);
  return message.taken();
}

function writeSpan(span: Span): void {
  const from = message.begin(2);
  message.id(1, span.traceId);
  message.id(2, span.spanId);
  if (span.parentId !== "") message.id(4, span.parentId);
  message.text(5, span.name);
  // SPAN_KIND_UNSPECIFIED comes before those of the API.
  message.varint(6, span.kind + 1);
  message.time(7, span.beganAt);
  message.time(8, span.endedAt);
  const { attributes, links } = span;
  let count = 0;
  for (const key in attributes) if (++count <= attributesMax) writeAttribute(9, key, attributes[key]!);
  if (count > attributesMax) message.varint(10, count - attributesMax);
  if (links !== null) {
    for (let i = 0; i < links.length && i < linksRecordedMax; i++) writeLink(links[i]!.to, links[i]!.as);
    if (links.length > linksRecordedMax) message.varint(14, links.length - linksRecordedMax);
  }
  if (span.failed) {
    const status = message.begin(15);
    message.varint(3, statusError);
    message.end(status);
  }
  message.fixed32(16, flagSampled | flagRemoteKnown | (span.isParentRemote ? flagRemote : 0));
  message.end(from);
}

function writeLink(to: SpanContext, as: string): void {
  const from = message.begin(13);
  message.id(1, to.traceId);
  message.id(2, to.spanId);
  writeAttribute(4, "dittofs.link", as);
  message.fixed32(6, flagSampled | flagRemoteKnown);
  message.end(from);
}

function writeAttribute(field: number, key: string, value: string | number | boolean): void {
  const from = message.begin(field);
  message.text(1, key);
  const at = message.begin(2);
  if (typeof value === "string") message.text(1, value.length > valueCharsMax ? value.slice(0, valueCharsMax) : value);
  else if (typeof value === "boolean") message.varint(2, value ? 1 : 0);
  else if (Number.isSafeInteger(value)) message.varint(3, value);
  else message.double(4, value);
  message.end(at);
  message.end(from);
}

/** Spans a receiver took but threw away, and why. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

/** Of an ExportTraceServiceResponse. What can't be read says nothing: the spans were taken. */
export function decodeAnswer(answer: Uint8Array): PartialSuccess {
  const [partial] = fieldsOf(answer).get(1) ?? [];
  if (!(partial instanceof Uint8Array)) return { rejected: 0, message: "" };
  const fields = fieldsOf(partial);
  const [rejected] = fields.get(1) ?? [];
  const [words] = fields.get(2) ?? [];
  return { rejected: typeof rejected === "number" ? rejected : 0, message: words instanceof Uint8Array ? Buffer.from(words).toString() : "" };
}

/** Varints and bytes by their field; other kinds end it. */
function fieldsOf(encoded: Uint8Array): ReadonlyMap<number, readonly (number | Uint8Array)[]> {
  const fields = new Map<number, (number | Uint8Array)[]>();
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; at < encoded.length; scale *= 128) {
      const byte = encoded[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < encoded.length) {
    const key = number();
    const wire = key & 7;
    if (wire !== varint && wire !== bytes) break;
    const value = number();
    const found = wire === varint ? value : encoded.subarray(at, (at += value));
    const field = Math.floor(key / 8);
    fields.set(field, [...(fields.get(field) ?? []), found]);
  }
  return fields;
}

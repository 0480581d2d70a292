import { createHash } from "node:crypto";
import fs from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { ObjectSource } from "#model/block-store.ts";
import type { BodyReader, RequestBody } from "./http/message.ts";

/** What is read from a file at a time. */
const pieceBytes = 512 * 1024;
/** What is hashed between two turns of the event loop: clients who wait meanwhile come first. */
const hashedPerTurnBytes = 256 * 1024;

/** A part of an object: what is sent, and what it must arrive as. */
export interface Part {
  readonly body: RequestBody;
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
}

/** An object cut into parts of `partBytes`, hashed; at least one part. The file stays open until `close`. */
export interface PartedSource {
  readonly bytes: number;
  readonly parts: readonly Part[];
  /** Says which bytes these are: the same for the same bytes and size of parts. */
  readonly token: string;
  close(): Promise<void>;
}

export async function partSource(source: ObjectSource, partBytes: number, clock: Clock): Promise<PartedSource> {
  if (source.from === "slices") {
    const bytes = source.slices.reduce((sum, slice) => sum + slice.byteLength, 0);
    // Not every server looks at the condition when parts are put together.
    return await hashed(bytes, source.atOnce === true ? Math.max(bytes, 1) : partBytes, clock, (from, length) => new SliceBody(source.slices, from, length), async () => {});
  }
  const file = await fs.promises.open(source.path, "r");
  try {
    const found = (await file.stat()).size;
    if (found !== source.size) throw new Error(`${source.path} has ${found} bytes, not ${source.size}`);
    return await hashed(source.size, partBytes, clock, (from, length) => new FileBody(file, source.path, from, length), () => file.close());
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function hashed(
  bytes: number,
  partBytes: number,
  clock: Clock,
  bodyAt: (from: number, length: number) => RequestBody,
  close: () => Promise<void>,
): Promise<PartedSource> {
  const parts: Part[] = [];
  for (let from = 0; from < bytes || parts.length === 0; from += partBytes) {
    const body = bodyAt(from, Math.min(partBytes, bytes - from));
    parts.push({ body, sha256: await hashOf(body, clock) });
  }
  const one = parts.length === 1 ? parts[0] : undefined;
  const token = one !== undefined ? one.sha256 : createHash("sha256").update(parts.map((part) => part.sha256).join()).digest("hex");
  return { bytes, parts, token, close };
}

async function hashOf(body: RequestBody, clock: Clock): Promise<string> {
  const hash = createHash("sha256");
  const reader = body.open();
  let inTurn = 0;
  try {
    for (;;) {
      const next = reader.next();
      const piece = next instanceof Promise ? await next : next;
      if (piece === null) return hash.digest("hex");
      for (let at = 0; at < piece.byteLength; at += hashedPerTurnBytes) {
        const some = piece.subarray(at, at + hashedPerTurnBytes);
        hash.update(some);
        inTurn += some.byteLength;
        if (inTurn < hashedPerTurnBytes) continue;
        inTurn = 0;
        await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
      }
    }
  } finally {
    reader.close();
  }
}

/** A range of the bytes that slices make up, uncopied. */
class SliceBody implements RequestBody {
  readonly bytes: number;
  readonly #slices: readonly Uint8Array[];

  constructor(slices: readonly Uint8Array[], from: number, length: number) {
    this.bytes = length;
    const cut: Uint8Array[] = [];
    let at = 0;
    for (const slice of slices) {
      const start = Math.max(from - at, 0);
      const end = Math.min(from + length - at, slice.byteLength);
      if (start < end) cut.push(slice.subarray(start, end));
      at += slice.byteLength;
    }
    this.#slices = cut;
  }

  open(): BodyReader {
    let index = 0;
    return { next: () => this.#slices[index++] ?? null, close() {} };
  }
}

/** A range of a file, read a piece at a time. */
class FileBody implements RequestBody {
  readonly bytes: number;
  readonly #file: fs.promises.FileHandle;
  readonly #path: string;
  readonly #from: number;

  constructor(file: fs.promises.FileHandle, path: string, from: number, length: number) {
    this.#file = file;
    this.#path = path;
    this.#from = from;
    this.bytes = length;
  }

  open(): BodyReader {
    return new FileReader(this.#file, this.#path, this.#from, this.bytes);
  }
}

/** Reads a piece while the one before is hashed or sent. */
class FileReader implements BodyReader {
  readonly #file: fs.promises.FileHandle;
  readonly #path: string;
  readonly #from: number;
  readonly #bytes: number;
  /** The piece that is read, and the one in use. */
  #buffer: Uint8Array;
  #other: Uint8Array | null = null;
  #at = 0;
  #coming: Promise<Uint8Array | null>;

  constructor(file: fs.promises.FileHandle, path: string, from: number, bytes: number) {
    this.#file = file;
    this.#path = path;
    this.#from = from;
    this.#bytes = bytes;
    this.#buffer = new Uint8Array(Math.min(pieceBytes, Math.max(bytes, 1)));
    this.#coming = this.#begin();
  }

  next(): Promise<Uint8Array | null> {
    const piece = this.#coming;
    return piece.then((read) => {
      if (read === null) return null;
      // Whoever asks has no more use for the piece before.
      const before = this.#other;
      this.#other = this.#buffer;
      this.#buffer = before ?? new Uint8Array(this.#other.byteLength);
      this.#coming = this.#begin();
      return read;
    });
  }

  close(): void {}

  #begin(): Promise<Uint8Array | null> {
    const read = this.#read();
    // Told to who asks for the piece; nobody may.
    read.catch(() => {});
    return read;
  }

  async #read(): Promise<Uint8Array | null> {
    const buffer = this.#buffer;
    if (this.#at >= this.#bytes) return null;
    const { bytesRead } = await this.#file.read(buffer, 0, Math.min(buffer.byteLength, this.#bytes - this.#at), this.#from + this.#at);
    if (bytesRead === 0) throw new Error(`${this.#path} became shorter while it was uploaded`);
    this.#at += bytesRead;
    return buffer.subarray(0, bytesRead);
  }
}

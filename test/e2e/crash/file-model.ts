/**
 * What a regular file may hold, in the terms of RFC 1813 §3.3.7 and §3.3.21.
 *
 * `base` is what is on stable storage: everything a COMMIT or FILE_SYNC write acknowledged, cut by every completed truncate.
 * `pending` are writes in the order they were sent that are not: UNSTABLE ones, and any that were never answered. After a crash
 * each byte is the base's or that of some pending write; the file is as long as the base, or as long as a pending write made it
 * with the data that made it so. Written bytes are never zero, so a zero is a hole or a loss.
 */

export interface Part {
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface PendingWrite {
  readonly offset: number;
  readonly length: number;
  /** What later truncates and stable writes have left of it. */
  parts: Part[];
  acknowledged: boolean;
}

function clipBelow(parts: readonly Part[], size: number): Part[] {
  const kept: Part[] = [];
  for (const part of parts) {
    if (part.offset >= size) continue;
    kept.push(part.offset + part.data.length <= size ? part : { offset: part.offset, data: part.data.subarray(0, size - part.offset) });
  }
  return kept;
}

function clipOutside(parts: readonly Part[], from: number, to: number): Part[] {
  const kept: Part[] = [];
  for (const part of parts) {
    const end = part.offset + part.data.length;
    if (end <= from || part.offset >= to) {
      kept.push(part);
      continue;
    }
    if (part.offset < from) kept.push({ offset: part.offset, data: part.data.subarray(0, from - part.offset) });
    if (end > to) kept.push({ offset: to, data: part.data.subarray(to - part.offset) });
  }
  return kept;
}

/** Bytes before the new end of a file that must be there when an unacknowledged write has made it longer: one sector. */
const tailBytes = 512;

export class FileModel {
  private base: Buffer = Buffer.alloc(4096);
  /** Size on stable storage. Beyond it `base` holds zeros. */
  stableSize = 0;
  pending: PendingWrite[] = [];

  copy(): FileModel {
    const copy = new FileModel();
    copy.base = Buffer.from(this.base);
    copy.stableSize = this.stableSize;
    copy.pending = this.pending.map((write) => ({ ...write }));
    return copy;
  }

  /** Size as readers see it now, in-flight writes left out. */
  get size(): number {
    let size = this.stableSize;
    for (const write of this.pending) {
      if (write.acknowledged) for (const part of write.parts) size = Math.max(size, part.offset + part.data.length);
    }
    return size;
  }

  private reserve(size: number): void {
    if (size <= this.base.length) return;
    const grown = Buffer.alloc(Math.max(size, this.base.length * 2));
    this.base.copy(grown, 0, 0, this.stableSize);
    this.base = grown;
  }

  private settle(parts: readonly Part[]): void {
    for (const part of parts) {
      const end = part.offset + part.data.length;
      this.reserve(end);
      this.base.set(part.data, part.offset);
      this.stableSize = Math.max(this.stableSize, end);
    }
  }

  /** True when no in-flight write touches the range: two at once would leave their order open. */
  free(offset: number, length: number): boolean {
    return this.pending.every((w) => w.acknowledged || w.offset >= offset + length || offset >= w.offset + w.length);
  }

  /** A WRITE is sent. */
  begin(offset: number, data: Uint8Array): PendingWrite {
    const write = { offset, length: data.length, parts: [{ offset, data }], acknowledged: false };
    this.pending.push(write);
    return write;
  }

  /** It was answered; `stable`: with DATA_SYNC or FILE_SYNC. */
  acknowledge(write: PendingWrite, stable: boolean): void {
    write.acknowledged = true;
    if (!stable) return;
    const at = this.pending.indexOf(write);
    this.pending.splice(at, 1);
    this.settle(write.parts);
    for (const other of this.pending) other.parts = clipOutside(other.parts, write.offset, write.offset + write.length);
    this.tidy();
  }

  /** It was refused: it never happened. */
  refuse(write: PendingWrite): void {
    this.pending.splice(this.pending.indexOf(write), 1);
  }

  /** What a COMMIT sent now will make stable. */
  coveredByCommit(): readonly PendingWrite[] {
    return this.pending.filter((write) => write.acknowledged);
  }

  committed(covered: readonly PendingWrite[]): void {
    for (const write of this.pending) if (covered.includes(write)) this.settle(write.parts);
    this.pending = this.pending.filter((write) => !covered.includes(write));
  }

  /** A SETATTR of the size was answered. No other change of the file may be in flight. */
  truncated(size: number): void {
    for (const write of this.pending) write.parts = clipBelow(write.parts, size);
    this.tidy();
    this.reserve(size);
    if (size < this.stableSize) this.base.fill(0, size, this.stableSize);
    this.stableSize = size;
  }

  private tidy(): void {
    this.pending = this.pending.filter((write) => !write.acknowledged || write.parts.length > 0);
  }

  /** What a reader gets now; in-flight writes left out (or applied). */
  current(withInFlight = false): Buffer {
    let size = this.size;
    if (withInFlight) for (const w of this.pending) for (const p of w.parts) size = Math.max(size, p.offset + p.data.length);
    const image = Buffer.alloc(size);
    this.base.copy(image, 0, 0, this.stableSize);
    for (const write of this.pending) {
      if (write.acknowledged || withInFlight) for (const part of write.parts) image.set(part.data, part.offset);
    }
    return image;
  }

  /** Part of `current()`, for files read often. */
  currentRange(offset: number, length: number): Buffer {
    const out = Buffer.alloc(Math.max(0, Math.min(length, this.size - offset)));
    if (offset < this.stableSize) this.base.copy(out, 0, offset, Math.min(this.stableSize, offset + out.length));
    for (const write of this.pending) {
      if (!write.acknowledged) continue;
      for (const part of write.parts) {
        const from = Math.max(offset, part.offset);
        const to = Math.min(offset + out.length, part.offset + part.data.length);
        if (from < to) out.set(part.data.subarray(from - part.offset, to - part.offset), from - offset);
      }
    }
    return out;
  }

  private parts(): Part[] {
    return this.pending.flatMap((write) => write.parts);
  }

  /** Null, or what is wrong with a file that holds `actual` after a crash. */
  violation(actual: Buffer): string | null {
    const size = actual.length;
    if (size < this.stableSize) return `size ${size}, but ${this.stableSize} was acknowledged`;
    const parts = this.parts();
    if (size > this.stableSize) {
      const why = this.sizeUnexplained(actual, parts);
      if (why !== null) return why;
    }
    const likely = Buffer.alloc(size);
    this.current(true).copy(likely);
    if (likely.equals(actual)) return null;
    const block = 4096;
    for (let at = 0; at < size; at += block) {
      const end = Math.min(at + block, size);
      if (likely.compare(actual, at, end, at, end) === 0) continue;
      const why = this.bytesUnexplained(actual, parts, at, end);
      if (why !== null) return why;
    }
    return null;
  }

  /** The file is longer than what is stable: some pending write must reach its end, and that write's last bytes must be there. */
  private sizeUnexplained(actual: Buffer, parts: readonly Part[]): string | null {
    const size = actual.length;
    let reached = false;
    for (const part of parts) {
      if (part.offset >= size || part.offset + part.data.length < size) continue;
      reached = true;
      const from = Math.max(part.offset, size - tailBytes, this.stableSize);
      const holds = parts.some((other) => {
        const end = other.offset + other.data.length;
        return other.offset <= from && end >= size && actual.compare(other.data, from - other.offset, size - other.offset, from, size) === 0;
      });
      if (holds || this.written(actual, parts, from, size)) return null;
    }
    if (!reached) return `size ${size} that no write made (${this.stableSize} was acknowledged)`;
    return `size ${size} without the data that made it so: it ends in ${describeBytes(actual.subarray(Math.max(0, size - 16)))}`;
  }

  /** Every byte of the range is some pending write's. */
  private written(actual: Buffer, parts: readonly Part[], from: number, to: number): boolean {
    for (let b = from; b < to; b++) {
      const byte = actual[b];
      if (!parts.some((p) => b >= p.offset && b < p.offset + p.data.length && p.data[b - p.offset] === byte)) return false;
    }
    return true;
  }

  private bytesUnexplained(actual: Buffer, all: readonly Part[], from: number, to: number): string | null {
    const parts = all.filter((p) => p.offset < to && p.offset + p.data.length > from);
    for (let b = from; b < to; b++) {
      const byte = actual[b];
      const stable = b < this.stableSize ? this.base[b] : 0;
      if (byte === stable) continue;
      if (parts.some((p) => b >= p.offset && b < p.offset + p.data.length && p.data[b - p.offset] === byte)) continue;
      let end = b + 1;
      while (end < actual.length && end < b + 65536 && actual[end] === byte && (end >= this.stableSize || this.base[end] !== byte)) end++;
      const kind = byte === 0 ? `${end - b} zero bytes where data was` : `bytes ${describeBytes(actual.subarray(b, b + 8))}`;
      const wanted = describeBytes(this.base.subarray(b, Math.min(b + 8, this.stableSize)));
      return `at ${b} of ${actual.length}: ${kind}; stable there: ${wanted}, pending there: ${parts.length} (stable size ${this.stableSize})`;
    }
    return null;
  }

  /** After a crash the file holds `actual`; what is still pending the client will send again. */
  collapse(actual: Buffer): PendingWrite[] {
    const replay = this.pending;
    this.base = Buffer.from(actual);
    this.stableSize = actual.length;
    this.pending = [];
    return replay;
  }
}

function describeBytes(bytes: Uint8Array): string {
  return bytes.length === 0 ? "nothing" : Buffer.from(bytes).toString("hex");
}

/** A set of byte ranges: sorted, disjoint, never touching. Nearly always one or two ranges, so a flat array of starts and ends. */
export class Ranges {
  private readonly bounds: number[] = [];

  get count(): number {
    return this.bounds.length >>> 1;
  }

  start(index: number): number {
    return this.bounds[index * 2] as number;
  }

  end(index: number): number {
    return this.bounds[index * 2 + 1] as number;
  }

  get isEmpty(): boolean {
    return this.bounds.length === 0;
  }

  /** Bytes in all ranges together. */
  get bytes(): number {
    let sum = 0;
    for (let i = 0; i < this.bounds.length; i += 2) sum += (this.bounds[i + 1] as number) - (this.bounds[i] as number);
    return sum;
  }

  covers(start: number, end: number): boolean {
    if (start >= end) return true;
    const b = this.bounds;
    for (let i = 0; i < b.length; i += 2) {
      if ((b[i] as number) > start) return false;
      if ((b[i + 1] as number) >= end) return true;
    }
    return false;
  }

  /** Adds `start`..`end`; gives how many bytes were not in the set before. */
  add(start: number, end: number): number {
    if (start >= end) return 0;
    const b = this.bounds;
    let i = 0;
    while (i < b.length && (b[i + 1] as number) < start) i += 2;
    let from = start;
    let to = end;
    let already = 0;
    let j = i;
    while (j < b.length && (b[j] as number) <= end) {
      const s = b[j] as number;
      const e = b[j + 1] as number;
      already += Math.max(0, Math.min(e, end) - Math.max(s, start));
      if (s < from) from = s;
      if (e > to) to = e;
      j += 2;
    }
    if (j - i === 2) {
      b[i] = from;
      b[i + 1] = to;
    } else b.splice(i, j - i, from, to);
    return end - start - already;
  }

  /** Takes `start`..`end` out; gives how many bytes of it were in the set. */
  remove(start: number, end: number): number {
    if (start >= end) return 0;
    const b = this.bounds;
    let removed = 0;
    for (let i = 0; i < b.length && (b[i] as number) < end; ) {
      const s = b[i] as number;
      const e = b[i + 1] as number;
      if (e <= start) {
        i += 2;
        continue;
      }
      removed += Math.min(e, end) - Math.max(s, start);
      if (s < start && e > end) {
        b.splice(i, 2, s, start, end, e);
        return removed;
      }
      if (s < start) {
        b[i + 1] = start;
        i += 2;
      } else if (e > end) {
        b[i] = end;
        return removed;
      } else b.splice(i, 2);
    }
    return removed;
  }

  /** Moves everything into a new set, leaving this one empty. */
  take(): Ranges {
    const taken = new Ranges();
    for (let i = 0; i < this.bounds.length; i++) taken.bounds.push(this.bounds[i] as number);
    this.bounds.length = 0;
    return taken;
  }

  clear(): void {
    this.bounds.length = 0;
  }
}

import type { Clock } from "#base/clock.ts";

/** Since when (seconds since 1970) which objects are known to belong to no row. */
export type StrayMarks = ReadonlyMap<string, number>;

/** Keeps the marks across restarts, so that a server that never runs as long as the grace is, or work without one, collects strays, too. */
export interface StrayMemory {
  /** Empty where there are none, or they can't be read: the grace begins anew then. */
  load(): StrayMarks;
  save(marks: StrayMarks): void;
}

/**
 * Objects that no row speaks of, with the moment at which a listing first found them so. What two complete listings found, a grace
 * apart, goes. While the process runs the grace is measured by a clock that nobody sets; across a restart there is only the other one.
 */
export class Strays {
  private readonly clock: Clock;
  private readonly memory: StrayMemory | null;
  /** With when (monotonic ms); null: not asked for yet. */
  private found: ReadonlyMap<string, number> | null = null;

  constructor(clock: Clock, memory: StrayMemory | null) {
    this.clock = clock;
    this.memory = memory;
  }

  /** As the last listing found them, with when (monotonic ms). */
  get known(): ReadonlyMap<string, number> {
    this.found ??= this.load();
    return this.found;
  }

  private load(): ReadonlyMap<string, number> {
    const nowMs = this.clock.monotonicMs();
    const nowSec = this.clock.now().sec;
    return new Map([...(this.memory?.load() ?? [])].map(([key, sec]) => [key, nowMs - Math.max(0, nowSec - sec) * 1000]));
  }

  /** Takes what a complete listing found, and gives those whose grace is over; they are strays until `forget` is told that they went. */
  seen(keys: Iterable<string>, graceMs: number): string[] {
    const nowMs = this.clock.monotonicMs();
    const { known } = this;
    const now = new Map<string, number>();
    const due: string[] = [];
    for (const key of keys) {
      const since = known.get(key);
      now.set(key, since ?? nowMs);
      if (since !== undefined && nowMs - since >= graceMs) due.push(key);
    }
    this.keep(now, known.size > 0);
    return due;
  }

  forget(keys: readonly string[]): void {
    if (keys.length === 0) return;
    const left = new Map(this.known);
    for (const key of keys) left.delete(key);
    this.keep(left, true);
  }

  private keep(found: ReadonlyMap<string, number>, isChange: boolean): void {
    this.found = found;
    if (this.memory === null || (found.size === 0 && !isChange)) return;
    const nowMs = this.clock.monotonicMs();
    const nowSec = this.clock.now().sec;
    this.memory.save(new Map([...found].map(([key, sinceMs]) => [key, nowSec - Math.floor((nowMs - sinceMs) / 1000)])));
  }
}

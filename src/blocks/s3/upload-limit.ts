import type { Clock } from "#base/clock.ts";

export interface UploadBounds {
  readonly uploadsMin: number;
  readonly uploadsStart: number;
  readonly uploadsMax: number;
  readonly clock: Clock;
}

/** Uploads that would be waiting in the store if all of them took as long as an undisturbed one: fewer, and one more is tried. */
const queuedMin = 3;
/** More of them, and one less is tried. */
const queuedMax = 10;
/** After this the memory of an undisturbed upload's time counts for twice as long a time: routes and servers change. */
const bestFadeMs = 10 * 60 * 1000;
/** After the store asked for less, not again within this: the uploads on their way then would say the same. */
const halvedMsMin = 500;

/**
 * How many uploads run at a time. It grows by one for a round of uploads that did not wait in the store, shrinks by one where they
 * did, and halves when the store asks for it or gives no answer; always within its bounds.
 */
export class UploadLimit {
  readonly #bounds: UploadBounds;
  readonly #waiting: (() => void)[] = [];
  /** Least time an upload took and when, by the power of two of its size. */
  readonly #best = new Map<number, { readonly ms: number; readonly atMs: number }>();
  #limit: number;
  #busy = 0;
  #round = 0;
  #halvedAtMs = Number.NEGATIVE_INFINITY;

  constructor(bounds: UploadBounds) {
    this.#bounds = bounds;
    this.#limit = bounds.uploadsStart;
  }

  get limit(): number {
    return this.#limit;
  }

  get busy(): number {
    return this.#busy;
  }

  /** Runs an upload of so many bytes when its turn comes. `throttled` says which errors mean: less. */
  async run<T>(bytes: number, throttled: (error: unknown) => boolean, upload: () => Promise<T>): Promise<T> {
    if (this.#busy >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy++;
    const startMs = this.#bounds.clock.monotonicMs();
    const saturated = this.#busy >= this.#limit;
    try {
      const result = await upload();
      this.#learn(bytes, this.#bounds.clock.monotonicMs() - startMs, saturated);
      return result;
    } catch (error) {
      if (throttled(error)) this.#halve();
      throw error;
    } finally {
      this.#busy--;
      this.#admit();
    }
  }

  #admit(): void {
    while (this.#busy < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#busy++;
      next();
    }
  }

  #learn(bytes: number, tookMs: number, saturated: boolean): void {
    const size = Math.ceil(Math.log2(bytes + 1));
    const nowMs = this.#bounds.clock.monotonicMs();
    const before = this.#best.get(size);
    let bestMs = before === undefined ? Number.POSITIVE_INFINITY : before.ms * (1 + (nowMs - before.atMs) / bestFadeMs);
    if (tookMs <= bestMs) {
      bestMs = Math.max(tookMs, 0.1);
      this.#best.set(size, { ms: bestMs, atMs: nowMs });
    }
    if (!saturated || ++this.#round < this.#limit) return;
    this.#round = 0;
    const queued = this.#limit * (1 - bestMs / Math.max(tookMs, bestMs));
    if (queued < queuedMin) this.#limit = Math.min(this.#limit + 1, this.#bounds.uploadsMax);
    else if (queued > queuedMax) this.#limit = Math.max(this.#limit - 1, this.#bounds.uploadsMin);
  }

  #halve(): void {
    const nowMs = this.#bounds.clock.monotonicMs();
    if (nowMs - this.#halvedAtMs < halvedMsMin) return;
    this.#halvedAtMs = nowMs;
    this.#round = 0;
    this.#limit = Math.max(this.#bounds.uploadsMin, Math.floor(this.#limit / 2));
  }
}

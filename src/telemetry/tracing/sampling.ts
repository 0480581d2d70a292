import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { Losses } from "./losses.ts";

const secondMs = 1_000;
/** Random bytes are fetched for so many draws together: the system's generator is asked seldom. */
const drawsFetched = 1024;
const drawBytes = 4;

/**
 * Which requests are followed: a part of them, drawn at random, but in a second never more than a bound. To follow a request costs some
 * ten times what the cheapest ones cost by themselves, so that without the bound a server under load would be busy with reports.
 */
export class Sampling {
  /** Requests that were drawn beyond the bound. */
  readonly passedOver: Losses;
  private readonly rate: number;
  /** What the logarithm of a draw is divided by. */
  private readonly perLog: number;
  private readonly perSecondMax: number;
  private readonly clock: Clock;
  private readonly random: Random;
  private draws: DataView = new DataView(new ArrayBuffer(0));
  private drawn = 0;
  /** The next request that is followed is so many from here. */
  private toNext: number;
  private left: number;
  private counting = false;

  /** `rate`: the part, from 0 to 1. `tell`: how many were drawn beyond the bound since it was told the last time. */
  constructor(rate: number, perSecondMax: number, clock: Clock, random: Random, tell: (passedOver: number) => void) {
    this.passedOver = new Losses(clock, tell);
    this.rate = rate;
    this.perLog = 1 / Math.log1p(-rate);
    this.perSecondMax = perSecondMax;
    this.clock = clock;
    this.random = random;
    this.left = perSecondMax;
    this.toNext = this.distance();
  }

  /**
   * Whether the request that begins is followed. As if each were drawn by itself, but the next hit is drawn ahead, so that whoever is not
   * followed pays one subtraction.
   */
  samples(): boolean {
    if (--this.toNext > 0) return false;
    this.toNext = this.distance();
    if (this.left === 0) {
      this.passedOver.add(1);
      return false;
    }
    this.left--;
    if (!this.counting) this.count();
    return true;
  }

  private count(): void {
    this.counting = true;
    this.clock.after(secondMs, () => {
      this.counting = false;
      this.left = this.perSecondMax;
    });
  }

  private distance(): number {
    if (this.rate >= 1) return 1;
    if (this.rate <= 0) return Number.POSITIVE_INFINITY;
    if (this.drawn * drawBytes === this.draws.byteLength) {
      const bytes = this.random.bytes(drawsFetched * drawBytes);
      this.draws = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.drawn = 0;
    }
    const drawn = (this.draws.getUint32(drawBytes * this.drawn++) + 0.5) / 2 ** 32;
    return 1 + Math.floor(Math.log(drawn) * this.perLog);
  }
}

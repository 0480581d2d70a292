import type { Clock } from "#base/clock.ts";
import { checkContent, isRead, type Pace } from "./frames.ts";
import { locate } from "./objects.ts";
import { eachPack } from "./scan.ts";
import { type CheckTarget, goOn, quiet, turn, type Watch } from "./target.ts";

/** How far scrubbing is, kept across restarts. Times are seconds since 1970. */
export interface ScrubMark {
  /** Packs up to this id are done. */
  readonly after: number;
  /** Of this pass. */
  readonly bytes: number;
  readonly damaged: number;
  readonly beganAt: number;
  /** Of the pass before. */
  readonly lastEndedAt: number | null;
  readonly lastDamaged: number | null;
}

/** Where the mark is kept. */
export interface ScrubMemory {
  load(): ScrubMark | null;
  /** How far it is at this moment, for who asks; to be saved later. */
  note(mark: ScrubMark): void;
  save(mark: ScrubMark): void;
}

const packsPage = 64;
/** A stop loses as much of the work at most. */
const saveMs = 5_000;
/** A wait is cut into pieces of this, so that the end of the work is noticed. */
const waitMs = 250;

/** Lets through so many bytes a second, a second's worth at once at most. */
export class Rate implements Pace {
  bytesPerSecond: number;
  private readonly clock: Clock;
  private readonly watch: Watch;
  private freeMs = 0;

  constructor(bytesPerSecond: number, clock: Clock, watch: Watch) {
    this.bytesPerSecond = bytesPerSecond;
    this.clock = clock;
    this.watch = watch;
  }

  async take(bytes: number): Promise<void> {
    for (let nowMs = this.clock.monotonicMs(); nowMs < this.freeMs; nowMs = this.clock.monotonicMs()) {
      goOn(this.watch);
      await new Promise<void>((resolve) => this.clock.after(Math.min(waitMs, this.freeMs - nowMs), resolve));
    }
    this.freeMs = Math.max(this.freeMs, this.clock.monotonicMs()) + (bytes * 1000) / this.bytesPerSecond;
  }
}

/** Checks the content of all packs from where the last pass was left, and keeps where it is; gives the mark of the pass that ended. */
export async function scrub(target: CheckTarget, memory: ScrubMemory, pace: Pace, watch: Watch): Promise<ScrubMark> {
  const { store, clock } = target;
  const kept = memory.load();
  let mark: ScrubMark = kept !== null && kept.beganAt > 0 ? kept : { after: 0, bytes: 0, damaged: 0, beganAt: clock.now().sec, lastEndedAt: kept?.lastEndedAt ?? null, lastDamaged: kept?.lastDamaged ?? null };
  let total = mark.bytes;
  await eachPack(target, watch, (pack) => {
    if (pack.id > mark.after && isRead(target, pack)) total += pack.size;
  });
  watch.step("content", total, "bytes");
  watch.advance(mark.bytes);
  let savedMs = clock.monotonicMs();
  try {
    for (;;) {
      const packs = await store.packs(mark.after, packsPage);
      for (const pack of packs) {
        goOn(watch);
        const damages = await checkContent(target, watch, pack.id, pace);
        for (const { finding } of await locate(target, quiet(watch), damages)) watch.found(finding);
        mark = { ...mark, after: pack.id, bytes: mark.bytes + (isRead(target, pack) ? pack.size : 0), damaged: mark.damaged + damages.length };
        memory.note(mark);
        if (clock.monotonicMs() - savedMs < saveMs) continue;
        memory.save(mark);
        savedMs = clock.monotonicMs();
      }
      if (packs.length < packsPage) break;
      await turn(clock);
    }
  } catch (error) {
    memory.save(mark);
    throw error;
  }
  const ended = { ...mark, after: 0, bytes: 0, damaged: 0, beganAt: 0, lastEndedAt: clock.now().sec, lastDamaged: mark.damaged };
  memory.save(ended);
  return mark;
}

import { readFileSync } from "node:fs";
import type { Clock, Timer } from "#base/clock.ts";
import { Cancelled, type CheckTarget, type Finding, Rate, scrub, type ScrubMark, type ScrubMemory, unpaced, type Watch } from "#check/index.ts";
import type { ScrubState } from "#control/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import { replaceFile } from "../process/durable-files.ts";

/** The file in a share's directory that says how far scrubbing is. */
export const scrubFile = "scrub.json";
/** A pass begins so long after the one before ended. */
const restMs = 7 * 24 * 3600 * 1000;
/** After a pass that failed. */
const againMs = 15 * 60 * 1000;
const formatVersion = 1;

/** The mark in a file, which nobody else writes meanwhile; one that can't be read begins a pass anew. */
class MarkFile implements ScrubMemory {
  /** Undefined: not read yet. */
  private known: ScrubMark | null | undefined;
  private readonly path: string;
  private readonly logger: Logger;

  constructor(path: string, logger: Logger) {
    this.path = path;
    this.logger = logger;
  }

  load(): ScrubMark | null {
    if (this.known === undefined) this.known = this.read();
    return this.known;
  }

  private read(): ScrubMark | null {
    try {
      const { version, ...mark } = JSON.parse(readFileSync(this.path, "utf8")) as ScrubMark & { readonly version: number };
      return version === formatVersion && Number.isSafeInteger(mark.after) && Number.isSafeInteger(mark.bytes) ? mark : null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.logger.warn({ error, path: this.path }, "how far scrubbing is can't be read; it begins anew");
      return null;
    }
  }

  note(mark: ScrubMark): void {
    this.known = mark;
  }

  save(mark: ScrubMark): void {
    this.known = mark;
    try {
      replaceFile(this.path, `${JSON.stringify({ version: formatVersion, ...mark })}\n`);
    } catch (error) {
      this.logger.warn({ error, path: this.path }, "how far scrubbing is can't be kept");
    }
  }
}

/** Reads all content of a share again and again, at the rate its operator set, and says what is damaged. */
export class Scrubber {
  private readonly target: CheckTarget;
  private readonly memory: MarkFile;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private bytesPerSecond: number | null = null;
  private pass: BackgroundPass | null = null;
  private timer: Timer | null = null;
  private closed = false;
  /** Somebody else reads all content just now. */
  private lent = false;

  constructor(target: CheckTarget, path: string, logger: Logger) {
    this.target = target;
    this.clock = target.clock;
    this.logger = logger;
    this.memory = new MarkFile(path, logger);
  }

  /** Null: off. */
  setRate(bytesPerSecond: number | null): void {
    if (bytesPerSecond === this.bytesPerSecond) return;
    this.bytesPerSecond = bytesPerSecond;
    if (bytesPerSecond === null) void this.halt();
    else if (this.pass !== null) this.pass.rate.bytesPerSecond = bytesPerSecond;
    else this.plan();
  }

  get state(): ScrubState {
    const mark = this.memory.load();
    return {
      bytesPerSecond: this.bytesPerSecond,
      running: this.pass !== null,
      checkedBytes: mark?.bytes ?? 0,
      damaged: mark?.damaged ?? 0,
      lastEndedAt: mark?.lastEndedAt == null ? null : mark.lastEndedAt * 1000,
      lastDamaged: mark?.lastDamaged ?? null,
    };
  }

  /** A pass for somebody who waits for it, from where the last was left; the one in the background rests meanwhile. */
  async now(bytesPerSecond: number | null, watch: Watch): Promise<ScrubMark> {
    this.lent = true;
    try {
      await this.halt();
      return await scrub(this.target, this.memory, bytesPerSecond === null ? unpaced : new Rate(bytesPerSecond, this.clock, watch), watch);
    } finally {
      this.lent = false;
      this.plan();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.halt();
  }

  private async halt(): Promise<void> {
    this.timer?.cancel();
    this.timer = null;
    const { pass } = this;
    if (pass === null) return;
    pass.cancelled = true;
    await pass.ended;
  }

  private plan(waitMs = this.dueInMs()): void {
    if (this.closed || this.lent || this.bytesPerSecond === null || this.pass !== null) return;
    this.timer?.cancel();
    this.timer = this.clock.after(waitMs, () => this.begin());
  }

  private dueInMs(): number {
    const mark = this.memory.load();
    if (mark === null || mark.beganAt > 0 || mark.lastEndedAt === null) return 0;
    return Math.max(0, mark.lastEndedAt * 1000 + restMs - this.clock.now().sec * 1000);
  }

  private begin(): void {
    if (this.closed || this.lent || this.bytesPerSecond === null || this.pass !== null) return;
    const pass = new BackgroundPass(this.bytesPerSecond, this.clock, this.logger);
    this.pass = pass;
    pass.ended = this.run(pass).then((waitMs) => {
      this.pass = null;
      this.plan(waitMs);
    });
  }

  private async run(pass: BackgroundPass): Promise<number | undefined> {
    try {
      const { bytes, damaged } = await scrub(this.target, this.memory, pass.rate, pass);
      this.logger.info({ bytes, damaged }, "scrubbed: all content was read and compared with its checksums");
      return undefined;
    } catch (error) {
      // Whoever ended it says when it goes on: at once, where the rate was set again meanwhile.
      if (error instanceof Cancelled) return undefined;
      this.logger.warn({ error }, "scrubbing stopped; it goes on in a while");
      return againMs;
    }
  }
}

class BackgroundPass implements Watch {
  readonly rate: Rate;
  cancelled = false;
  ended: Promise<void> = Promise.resolve();
  private readonly logger: Logger;

  constructor(bytesPerSecond: number, clock: Clock, logger: Logger) {
    this.logger = logger;
    this.rate = new Rate(bytesPerSecond, clock, this);
  }

  step(): void {}
  advance(): void {}
  found(finding: Finding): void {
    this.logger.error({ finding }, "scrubbing found damage; dittofs fsck --data --repair repairs what can be repaired");
  }
}

import type { Clock } from "#base/clock.ts";
import { StoreFullError, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import type { Logger } from "#telemetry/logger.ts";

/** What of a store is in question: its objects (a key may be good for one use and not for another), or the change sets of flushes. */
export type Doing = "write" | "read" | "collect" | "flush";

const notStored = "content can't be stored at present; it stays in the log and is tried again until it can";

const failing: Readonly<Record<Doing, string>> = {
  write: notStored,
  flush: notStored,
  read: "stored content can't be read at present; clients are told to come back",
  collect: "garbage can't be collected at present; it will be tried again",
};
const working: Readonly<Record<Doing, string>> = {
  write: "content is stored again",
  flush: "content is stored again",
  read: "stored content can be read again",
  collect: "garbage is collected again",
};

interface Trouble {
  readonly kind: string;
  readonly message: string;
  readonly sinceMs: number;
}

/** Whether an error says something of the store's state and nothing of the object asked for: what was asked will be possible later. */
export function isPassing(error: unknown): boolean {
  return error instanceof StoreUnavailableError || error instanceof StoreRefusedError;
}

/** Objects that are missing or damaged, as far as they are remembered. */
const lostMax = 10_000;

/** What is wrong with a share's stores at present, in words. The log is told of each change of it, not of each try. */
export class StoreHealth {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly troubles = new Map<Doing, Trouble>();
  private readonly lost = new Set<string>();
  /** Reads that found stored content missing or damaged. */
  damagesFound = 0;
  /** What the disk did to the share's log, in words; null: nothing that is known. */
  damagedLog: string | null = null;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  /** What is wrong, what can't be written first; null: nothing that is known. */
  get error(): string | null {
    return this.worst?.message ?? this.damagedLog ?? this.lostError;
  }

  /** How long that has been so, in ms; null where nothing is wrong, or where it isn't known. */
  get errorMs(): number | null {
    const { worst } = this;
    return worst === null ? null : Math.round(this.clock.monotonicMs() - worst.sinceMs);
  }

  private get worst(): Trouble | null {
    const { troubles } = this;
    return troubles.get("write") ?? troubles.get("flush") ?? troubles.get("read") ?? troubles.get("collect") ?? null;
  }

  /** An object is not there, or, from an offset on, not what was put: reads of it are I/O errors until it is. */
  isLost(key: string, offset: number | null): void {
    this.damagesFound++;
    if (this.lost.size < lostMax) this.lost.add(offset === null ? key : `${key} at ${offset}`);
  }

  /** What was read there is what was put. */
  isFound(key: string, offset: number): void {
    if (this.lost.size === 0) return;
    this.lost.delete(key);
    this.lost.delete(`${key} at ${offset}`);
  }

  /** Nobody needs the object any more. */
  isDeleted(key: string): void {
    for (const each of this.lost) if (each.startsWith(key)) this.lost.delete(each);
  }

  private get lostError(): string | null {
    const { size } = this.lost;
    if (size === 0) return null;
    const [first] = this.lost;
    return `${size === 1 ? `object ${first} is` : `${size} objects, such as ${first}, are`} missing or damaged in the block store, and what lies there can't be read; if it was emptied or is another one than before, put the right one in its place`;
  }

  /** Objects, and places in them, that are known to be missing or damaged at present. */
  get lostObjects(): number {
    return this.lost.size;
  }

  /** Whether the block store did the last thing of each kind that was asked of it. */
  get isReachable(): boolean {
    // A flush that failed for nothing else is the metadata's.
    for (const [doing, { kind }] of this.troubles) if (doing !== "flush" && (kind === "unavailable" || kind.startsWith("refused"))) return false;
    return true;
  }

  isFailing(doing: Doing): boolean {
    return this.troubles.has(doing);
  }

  failed(doing: Doing, error: unknown): void {
    const kind = kindOf(error);
    const before = this.troubles.get(doing);
    if (before?.kind === kind) return;
    const message = error instanceof Error ? error.message : String(error);
    this.troubles.set(doing, { kind, message, sinceMs: before?.sinceMs ?? this.clock.monotonicMs() });
    this.logger.error({ error }, failing[doing]);
  }

  worked(doing: Doing): void {
    if (this.troubles.size === 0) return;
    this.end(doing);
    // Whoever answers one request can be reached for all.
    for (const [other, { kind }] of this.troubles) if (kind === "unavailable") this.end(other);
  }

  private end(doing: Doing): void {
    const trouble = this.troubles.get(doing);
    if (trouble === undefined) return;
    this.troubles.delete(doing);
    this.logger.info({ seconds: Math.round((this.clock.monotonicMs() - trouble.sinceMs) / 1000) }, working[doing]);
  }
}

function kindOf(error: unknown): string {
  if (error instanceof StoreRefusedError) return `refused: ${error.fault}`;
  if (error instanceof StoreUnavailableError) return "unavailable";
  if (error instanceof StoreFullError) return "full";
  return error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
}

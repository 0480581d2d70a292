import { AsyncLocalStorage } from "node:async_hooks";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import { type Clock, keepAlive, type Timer } from "#base/clock.ts";
import type { Logger } from "../logger.ts";
import type { Collector } from "./collector.ts";
import { Losses } from "./losses.ts";

/** Spans that wait to be sent, at most: about 1 KiB of memory each. Further ones are dropped, and counted. */
export const spansMax = 8192;
/** So many go in one message, well below the 4 MiB a gRPC receiver takes by default. */
const messageSpans = 512;
/** As OpenTelemetry's own exporters do: a message costs some milliseconds of CPU, whatever is in it. */
const sendEveryMs = 5_000;
/** Pause after a message the collector did not take, twice as long each time, up to the bound. */
const retryMsMin = 1_000;
const retryMsMax = 30_000;
/** How long a stop waits for what is not sent yet. */
export const closeMsMax = 2_000;

/** gRPC status codes after which the same message may be taken later (OTLP 1.x, "Failures"); any other is said of the message. */
const retryable = new Set([1, 4, 8, 10, 11, 14, 15]);

export interface ExportStats {
  readonly exported: number;
  /** For want of room while the collector was away. */
  readonly full: number;
  /** Since it would not have them. */
  readonly refused: number;
}

/**
 * Sends ended spans to the collector, a message at a time, in the background: a request never waits for it. A collector that is away is
 * tried again while spans are kept up to a bound; the log hears of it once, and once more when it is back.
 */
export class ExportQueue implements SpanProcessor {
  private exported = 0;
  private refused = 0;
  private readonly full: Losses;
  private readonly collector: Collector;
  private readonly endpoint: string;
  private readonly clock: Clock;
  private readonly logger: Logger;
  /** What is begun here belongs to no request. */
  private readonly apart: (work: () => void) => void = AsyncLocalStorage.snapshot();
  private queue: ReadableSpan[] = [];
  private timer: Timer | null = null;
  private sending: Promise<void> | null = null;
  private retryMs = 0;
  /** Dropped before it went away. */
  private droppedBefore: number | null = null;
  private closed = false;

  constructor(collector: Collector, endpoint: string, clock: Clock, logger: Logger) {
    this.collector = collector;
    this.endpoint = endpoint;
    this.clock = clock;
    this.logger = logger;
    this.full = new Losses(clock, (spans) => logger.warn({ endpoint, spans, kept: spansMax }, "spans are dropped for want of room: the collector (telemetry.endpoint) is away or too slow for them; see to it, or lower telemetry.sample_rate or telemetry.max_traces_per_second"));
  }

  get stats(): ExportStats {
    return { exported: this.exported, full: this.full.total, refused: this.refused };
  }

  get waiting(): number {
    return this.queue.length;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.closed || this.queue.length >= spansMax) {
      this.full.add(1);
      return;
    }
    this.queue.push(span);
    if (this.retryMs > 0 || this.sending !== null) return;
    if (this.queue.length >= messageSpans) this.send();
    else if (this.timer === null) this.apart(() => this.sendAfter(sendEveryMs));
  }

  private sendAfter(ms: number): void {
    this.timer = this.clock.after(ms, () => {
      this.timer = null;
      this.send();
    });
  }

  private send(): void {
    if (this.sending !== null || this.queue.length === 0) return;
    this.timer?.cancel();
    this.timer = null;
    this.apart(() => {
      this.sending = this.sendNow().finally(() => {
        this.sending = null;
        if (this.closed || this.queue.length === 0) return;
        if (this.retryMs === 0 && this.queue.length >= messageSpans) this.send();
        else this.sendAfter(Math.max(this.retryMs, sendEveryMs));
      });
    });
  }

  /** One message. It leaves the queue when it was taken, or never will be. */
  private async sendNow(): Promise<void> {
    const spans = this.queue.slice(0, messageSpans);
    const { code, rejected, message } = await this.collector.take(spans);
    if (retryable.has(code)) {
      this.retryMs = Math.min(retryMsMax, Math.max(retryMsMin, this.retryMs * 2));
      this.away(message, "spans are kept meanwhile, as far as there is room");
      return;
    }
    this.queue.splice(0, spans.length);
    this.retryMs = 0;
    const refused = code === 0 ? rejected : spans.length;
    this.exported += spans.length - refused;
    this.refused += refused;
    if (refused > 0) this.away(message, "it refused spans for good, and they are dropped: check what it says");
    else this.back();
  }

  private away(error: string, what: string): void {
    if (this.droppedBefore !== null) return;
    this.droppedBefore = this.dropped;
    this.logger.warn({ endpoint: this.endpoint, error }, `the collector of traces (telemetry.endpoint) does not take them; requests are served as ever, ${what}`);
  }

  private get dropped(): number {
    return this.full.total + this.refused;
  }

  private back(): void {
    if (this.droppedBefore === null) return;
    this.logger.info({ endpoint: this.endpoint, dropped: this.dropped - this.droppedBefore }, "the collector of traces takes them again");
    this.droppedBefore = null;
  }

  /** Sends what it can in `closeMsMax`. */
  async forceFlush(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const alive = keepAlive();
    let isLate = false;
    const timer = this.clock.after(closeMsMax, () => {
      isLate = true;
      late.resolve();
    });
    const all = async (): Promise<void> => {
      while (!isLate && (this.queue.length > 0 || this.sending !== null)) {
        if (this.sending === null && this.retryMs > 0) return;
        this.send();
        await this.sending;
      }
    };
    await Promise.race([all(), late.promise]);
    timer.cancel();
    alive.cancel();
  }

  async shutdown(): Promise<void> {
    await this.forceFlush();
    this.closed = true;
    this.timer?.cancel();
    this.full.end();
    if (this.queue.length > 0) this.logger.warn({ endpoint: this.endpoint, spans: this.queue.length }, "stopping with traces that the collector did not take");
    this.queue = [];
    this.collector.close();
  }
}

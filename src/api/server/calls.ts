import type { Clock } from "#base/clock.ts";
import { DatabaseError } from "#control/database/port.ts";
import type { Logger } from "#telemetry/logger.ts";
import { withinRequest } from "#telemetry/logs/request.ts";
import type { Exchange } from "./exchange.ts";
import { describeError } from "./describe-error.ts";
import { limits } from "./limits.ts";
import type { Measures } from "./measures.ts";
import { Refusal } from "./refusal.ts";
import { problemOf, problemReply } from "./replies.ts";

/** Which calls are slow, and what is known of what held them up. */
export interface SlowCalls {
  /** A call that takes so many milliseconds is slow, and logged as that; 0: none is. */
  readonly ms: number;
  /** For the log: what was done meanwhile. `share`: the one a call named, or "". */
  during(share: string, durationMs: number): object;
}

export const noSlowCalls: SlowCalls = { ms: 0, during: () => ({}) };

/** The calls in hand: how many there may be, how long each may take, and what the log is told of them. */
export class Calls {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly slow: SlowCalls;
  private readonly measures: Measures;
  private inHand = 0;
  private strangers = 0;
  private closing = false;
  private readonly waiting: (() => void)[] = [];

  constructor(clock: Clock, logger: Logger, measures: Measures, slow: SlowCalls) {
    this.clock = clock;
    this.measures = measures;
    this.logger = logger;
    this.slow = slow;
  }

  /** From now on every call is refused; resolves when those in hand are answered. */
  close(): Promise<void> {
    this.closing = true;
    return this.inHand === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Runs a call and notes what came of it. Never fails: what is thrown is answered by a problem document. */
  async run(exchange: Exchange, work: () => Promise<Response>): Promise<Response> {
    const refusal = this.closing
      ? new Refusal("unavailable", "The server is stopping.", { headers: { connection: "close" } })
      : this.inHand >= limits.callsMax
        ? new Refusal("unavailable", `The server has ${limits.callsMax} calls in hand.`, { hint: "Try again in a moment." })
        : null;
    this.inHand++;
    let response: Response;
    try {
      response = refusal === null ? await withinRequest(exchange.about, work) : refuse(exchange, refusal);
    } catch (error) {
      response = refuse(exchange, error);
    }
    this.inHand--;
    if (this.inHand === 0) for (const resolve of this.waiting.splice(0)) resolve();
    this.measures.answered(exchange, response.status, this.clock.monotonicMs());
    this.note(exchange, response.status);
    return response;
  }

  /** `work` of a call anyone may make, or a refusal where there are too many of them. */
  async stranger(work: () => Promise<Response>): Promise<Response> {
    if (this.strangers >= limits.strangersMax) throw new Refusal("unavailable", `The server has ${limits.strangersMax} log-ins in hand.`, { hint: "Try again in a moment." });
    this.strangers++;
    try {
      return await work();
    } finally {
      this.strangers--;
    }
  }

  /** `work`, or a refusal once it took too long. What it does goes on: only nobody waits for it any more. */
  timed(exchange: Exchange, work: Promise<Response>): Promise<Response> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(limits.callMs, () => {
        reject(new Refusal("unavailable", `The call was not done within ${limits.callMs / 1000} seconds. What it began goes on.`, { hint: "Look whether it took effect before you try again." }));
        work.catch((error: unknown) => this.logger.warn({ ...exchange.about, route: exchange.route, error: describeError(error) }, "a call that nobody waits for any more failed"));
      });
      work.then(
        (response) => {
          timer.cancel();
          resolve(response);
        },
        (error: unknown) => {
          timer.cancel();
          reject(error);
        },
      );
    });
  }

  /** Neither path, query, headers nor bodies are logged: any of them may hold a secret. */
  private fields(exchange: Exchange, status: number) {
    return {
      ...exchange.about,
      route: exchange.route,
      method: exchange.request.method,
      status,
      ms: Math.round(this.clock.monotonicMs() - exchange.startMs),
    };
  }

  private note(exchange: Exchange, status: number): void {
    const fields = this.fields(exchange, status);
    const { slow } = this;
    // What goes on for as long as it makes progress takes its time.
    if (slow.ms > 0 && fields.ms >= slow.ms && !exchange.unhurried) this.logger.warn({ ...fields, ...slow.during(exchange.about.share ?? "", fields.ms) }, "a slow request");
    const { error } = exchange;
    if (status >= 500 && error !== null && (problemOf(error).code === "internal" || error instanceof DatabaseError)) this.logger.error({ ...fields, error: describeError(error) }, "a call of the REST interface failed");
    else if (status >= 400) this.logger[status >= 500 ? "warn" : "debug"]({ ...fields, code: problemOf(error).code }, "a call of the REST interface was refused");
    else if (exchange.request.method === "GET" || exchange.request.method === "HEAD") this.logger.debug(fields, "a call of the REST interface was answered");
    else this.logger.info(fields, "a call of the REST interface was answered");
  }
}

/** Answers what was thrown, or what is refused. */
export function refuse(exchange: Exchange, error: unknown): Response {
  exchange.error = error;
  return problemReply(exchange, problemOf(error));
}

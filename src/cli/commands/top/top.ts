import { ApiError, ConnectError, StreamEnded } from "#api/client/index.ts";
import { contract, type ErrorCode, schemas } from "#api/contract/index.ts";
import { parseDuration } from "#config/index.ts";
import { ExitStatus, type Screen } from "../../ports.ts";
import { asText, type Call, CommandFailure, statusOfCode, UsageError, type Verb } from "../../remote/index.ts";
import { printable } from "../../table.ts";
import { busiest, count, latency, size, type Stats } from "./figures.ts";
import { frame } from "./frame.ts";
import { begin, pressed } from "./state.ts";

/** A server that doesn't answer is tried again after so long, where somebody looks on. */
const againMs = 1000;
/** Of plain lines, between two headings. */
const headingEvery = 20;

export const top: Verb = {
  name: "top",
  summary: "Watch what the server does: operations, latencies, throughput, what waits for the block stores, and which client does what. On a terminal a live view with keys; elsewhere a line an interval.",
  examples: ["dittofs top", "dittofs top --interval 5s", "dittofs top --count 1 -o json"],
  route: contract.system.stats,
  flags: [
    { flags: "--interval <duration>", help: `how long figures are measured, 1s to ${schemas.statsSecondsMax}s (default: 1s)` },
    { flags: "-n, --count <number>", help: "end after so many" },
    { flags: "--plain", help: "lines also on a terminal" },
  ],
  async run(call) {
    const seconds = secondsOf(call.text("interval"));
    const countMax = countOf(call.text("count"));
    const { screen } = call.terminal;
    if (call.format === "table" && screen !== null && !call.has("plain")) return await onScreen(call, screen, seconds, countMax);
    return await inLines(call, seconds, countMax);
  },
};

function secondsOf(given: string | null): number {
  const seconds = given === null ? 1 : (parseDuration(given) ?? 0) / 1000;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= schemas.statsSecondsMax) return seconds;
  throw new UsageError(`--interval: ${JSON.stringify(given)} is not allowed here; allowed: whole seconds from 1s to ${schemas.statsSecondsMax}s`);
}

function countOf(given: string | null): number {
  if (given === null) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d{0,8}$/.test(given)) throw new UsageError(`--count: ${JSON.stringify(given)} is not allowed here; allowed: a whole number from 1`);
  return Number(given);
}

/** Figures as they come. A stream whose token has expired is begun anew with another; one that ends otherwise fails. */
async function* figuresOf(call: Call, interval: number, signal: AbortSignal): AsyncGenerator<Stats> {
  for (;;) {
    try {
      yield* call.session().follow(contract.system.stats, { query: { interval }, signal });
      return;
    } catch (error) {
      if (!(error instanceof StreamEnded)) throw error;
      if (error.code !== "token_expired") throw new CommandFailure(statusOfCode[error.code as ErrorCode] ?? ExitStatus.failed, `the server ended this: ${error.message}`);
    }
  }
}

async function inLines(call: Call, seconds: number, countMax: number): Promise<void> {
  const { terminal } = call;
  const abort = new AbortController();
  let said = 0;
  for await (const stats of figuresOf(call, seconds, abort.signal)) {
    if (call.format === "json") terminal.out(asText(stats, "json").replaceAll(/\n */g, "").concat("\n"));
    else if (call.format === "yaml") terminal.out(`---\n${asText(stats, "yaml")}`);
    else terminal.out(`${said % headingEvery === 0 ? `${heading}\n` : ""}${line(stats)}\n`);
    if (++said >= countMax || terminal.gone) break;
  }
  abort.abort();
}

const widths = [8, 7, 7, 7, 7, 7, 5, 8, 8, 8, 8, 7, 0] as const;
const inColumns = (cells: readonly string[]): string => cells.map((cell, i) => (widths[i] ? cell.padStart(widths[i]) : cell)).join(" ");
const heading = inColumns(["TIME", "OPS/S", "FAIL/S", "P50 MS", "P95 MS", "P99 MS", "WAIT", "READ/S", "WRITE/S", "DIRTY", "BACKLOG", "CLIENTS", "BUSIEST"]);

function line(stats: Stats): string {
  const { total } = stats;
  const { latency_ms: took } = total;
  const moved = [size(total.read_bytes), size(total.written_bytes), size(stats.dirty_bytes), size(stats.backlog_bytes)];
  const waited = [latency(took?.p50), latency(took?.p95), latency(took?.p99), count(total.waiting)];
  return inColumns([new Date(stats.at).toTimeString().slice(0, 8), count(total.operations), count(total.failures), ...waited, ...moved, String(stats.clients_total), printable(busiest(stats))]);
}

/** The live view, until a key or the number of figures ends it. The first answer decides whether there is a view at all. */
async function onScreen(call: Call, screen: Screen, seconds: number, countMax: number): Promise<void> {
  const abort = new AbortController();
  const figures = figuresOf(call, seconds, abort.signal);
  const first = await figures.next();
  if (first.done === true) return;
  let state = begin;
  let stats: Stats = first.value;
  let trouble: string | null = null;
  const quit = Promise.withResolvers<"quit">();
  const draw = (): void => taken.draw(frame(state, { stats, server: call.session().server, trouble, columns: screen.columns, rows: screen.rows, colours: call.colours }));
  const taken = screen.take({
    key(key) {
      state = pressed(state, key);
      if (state.done) quit.resolve("quit");
      else draw();
    },
    resized: () => draw(),
  });
  const show = (newer: Stats): void => {
    trouble = null;
    if (!state.paused) stats = newer;
    draw();
  };
  const away = (error: Error): void => {
    trouble = error.message;
    draw();
  };
  try {
    draw();
    await Promise.race([quit.promise, keepFollowing(call, figures, () => figuresOf(call, seconds, abort.signal), countMax - 1, show, away)]);
  } finally {
    taken.giveBack();
    abort.abort();
  }
}

/** Shows figures; a server that is away is waited for. Ends after `countMax`, or with an error that waiting doesn't heal. */
async function keepFollowing(call: Call, begun: AsyncGenerator<Stats>, again: () => AsyncGenerator<Stats>, countMax: number, show: (stats: Stats) => void, away: (error: Error) => void): Promise<void> {
  let left = countMax;
  for (let figures = begun; left > 0; figures = again()) {
    try {
      for await (const stats of figures) {
        show(stats);
        if (--left <= 0) return;
      }
    } catch (error) {
      const heals = error instanceof ConnectError || (error instanceof CommandFailure && error.status === ExitStatus.unreachable) || (error instanceof ApiError && statusOfCode[error.code as ErrorCode] === ExitStatus.unreachable);
      if (!heals) throw error;
      away(error);
    }
    await call.context.wait(againMs);
  }
}

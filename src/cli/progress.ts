import { approximateSize, type Call } from "./remote/index.ts";

/** Elsewhere than on a terminal, a line is said after so long. */
const lineMs = 10_000;
const barWidth = 24;

/** How far long work is. */
export interface Progress {
  /** What is being done; empty: nothing yet. */
  readonly step: string;
  readonly done: number;
  /** Null: nobody knows. */
  readonly total: number | null;
  readonly unit: string;
}

/** Says how far work is: a bar on a terminal, a line now and then elsewhere; on standard error, for results go to standard output. */
export class Follower {
  private readonly call: Call;
  private step = "";
  private saidMs = 0;
  private shown = false;

  constructor(call: Call) {
    this.call = call;
  }

  tell(progress: Progress): void {
    const { terminal, context } = this.call;
    if (progress.step === "") return;
    if (terminal.person !== null) {
      terminal.err(`\r\u001b[K${bar(progress)}`);
      this.shown = true;
      return;
    }
    const nowMs = context.clock.monotonicMs();
    if (progress.step === this.step && nowMs - this.saidMs < lineMs) return;
    this.step = progress.step;
    this.saidMs = nowMs;
    terminal.err(`${figures(progress)}\n`);
  }

  end(): void {
    if (this.shown) this.call.terminal.err("\r\u001b[K");
    this.shown = false;
  }
}

function amount(value: number, unit: string): string {
  return unit === "bytes" ? approximateSize(value) : `${value} ${unit}`;
}

function figures({ step, done, total, unit }: Progress): string {
  return `${step}: ${amount(done, unit)}${total === null ? "" : ` of ${amount(total, unit)}`}`;
}

function bar(progress: Progress): string {
  const { done, total } = progress;
  if (total === null || total === 0) return figures(progress);
  const part = Math.min(1, done / total);
  const full = Math.round(part * barWidth);
  return `[${"#".repeat(full)}${"-".repeat(barWidth - full)}] ${Math.floor(part * 100)} % ${figures(progress)}`;
}

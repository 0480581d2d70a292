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

/** `content: 3 MiB of 4 MiB`, `inodes: 5 of 261`: how far work is, in one unit. More than was to be expected was not: the total is left out. */
export function figures({ step, done, total, unit }: Progress): string {
  const most = total !== null && total > 0 && done <= total ? total : null;
  if (most === null && done === 0) return step;
  const [now, all] = unit === "bytes" ? [approximateSize(done), approximateSize(most ?? 0)] : [String(done), String(most ?? 0)];
  return `${step}: ${now}${most === null ? "" : ` of ${all}`}${unit === "bytes" || unit === step ? "" : ` ${unit}`}`;
}

function bar(progress: Progress): string {
  const { done, total } = progress;
  if (total === null || total === 0 || done > total) return figures(progress);
  const part = done / total;
  const full = Math.round(part * barWidth);
  return `[${"#".repeat(full)}${"-".repeat(barWidth - full)}] ${Math.floor(part * 100)} % ${figures(progress)}`;
}

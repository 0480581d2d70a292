import type { Clock } from "#base/clock.ts";

/** Longest part of a server's refusal that is repeated in the log, and so much of an answer is read: whoever listens there may send without end. */
const refusalCharsMax = 200;

export interface PyroscopeOptions {
  /** Base address, such as `http://localhost:4040`. */
  readonly endpoint: string;
  readonly application: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

/** A profile on its way. Times are seconds since 1970. */
export interface Upload {
  readonly profile: Uint8Array<ArrayBuffer>;
  readonly fromSec: number;
  readonly untilSec: number;
  readonly samplesPerSec: number;
}

/** The characters that end a label in Pyroscope's names of applications, and those that can't be seen. */
const notInLabels = /[^\w.:/@+-]/g;

/** `dittofs{host=a,version=1}`: an application with its labels, as Pyroscope's ingest interface takes it. */
export function seriesName(application: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value.replaceAll(notInLabels, "_")}`);
  return `${application}{${pairs.sort().join(",")}}`;
}

/** Sends profiles by POST /ingest, which every Pyroscope, and Grafana's agents in front of it, take. */
export class Pyroscope {
  private readonly options: PyroscopeOptions;
  private readonly base: string;

  constructor(options: PyroscopeOptions) {
    this.options = options;
    this.base = `${options.endpoint.replace(/\/+$/, "")}/ingest`;
  }

  /** Gives what went wrong in words for the log, or null: it was taken. Never takes longer than `timeoutMs`, nor past the moment that `late` is aborted. */
  async send({ profile, fromSec, untilSec, samplesPerSec }: Upload, timeoutMs: number, late: AbortSignal): Promise<string | null> {
    const { application, labels, clock } = this.options;
    const query = new URLSearchParams({ name: seriesName(application, labels), from: String(fromSec), until: String(untilSec), format: "pprof", sampleRate: String(samplesPerSec), spyName: application });
    const form = new FormData();
    form.append("profile", new Blob([profile]), "profile.pprof");
    const abort = new AbortController();
    const timer = clock.after(timeoutMs, () => abort.abort());
    try {
      const response = await fetch(`${this.base}?${query.toString()}`, { method: "POST", body: form, redirect: "manual", signal: AbortSignal.any([abort.signal, late]) });
      const text = await beginningOf(response);
      return response.ok ? null : `it answered ${response.status}${text === "" ? "" : `: ${text}`}`;
    } catch (error) {
      if (late.aborted) return "no answer before this server had to stop";
      return abort.signal.aborted ? `no answer within ${timeoutMs / 1000} seconds` : `it can't be reached: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      timer.cancel();
    }
  }
}

/** What is said first in an answer; of one that is longer the rest is not waited for. */
async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < refusalCharsMax) {
    const { done, value } = await reader.read();
    if (done) return text.trim();
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text.slice(0, refusalCharsMax).trim();
}

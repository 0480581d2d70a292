import { join } from "node:path";
import { freePort } from "../servers.ts";
import { benchFolder, tool } from "../tools.ts";
import type { RawJob, RawOutcome, RawPlace } from "./raw.ts";

/** A process that answers each line with one. */
class Asked {
  readonly pid: number;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.pid = this.#child.pid;
    this.#lines = linesOf(this.#child.stdout);
  }

  async ask<T>(line: string): Promise<T> {
    this.#child.stdin.write(`${line}\n`);
    this.#child.stdin.flush();
    const answer = await this.#lines.next();
    if (answer.done === true) throw new Error("a process of the benchmark ended");
    return JSON.parse(answer.value) as T;
  }

  /** It ends with its input, too: so it does not outlive us. */
  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}

/** Requests that went through so far, by method, and bytes of both directions. */
export interface ProxyCounts {
  readonly put: number;
  readonly get: number;
  readonly head: number;
  readonly post: number;
  readonly delete: number;
  readonly up: number;
  readonly down: number;
}

/** Adds to each request what a store further away would (test/bench/delayproxy.c). */
export class Proxy {
  readonly port: number;
  readonly #asked: Asked;

  constructor(targetPort: number, delayMs: number, port = freePort()) {
    this.port = port;
    this.#asked = new Asked([tool("delayproxy"), String(port), String(targetPort), String(delayMs * 1000)]);
  }

  get pid(): number {
    return this.#asked.pid;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  counts(): Promise<ProxyCounts> {
    return this.#asked.ask("counts");
  }

  stop(): Promise<void> {
    return this.#asked.stop();
  }
}

/** Objects put and got by the SDK alone (raw.ts). */
export class Raw {
  readonly #asked: Asked;

  constructor(place: RawPlace) {
    this.#asked = new Asked([process.execPath, join(benchFolder, "s3/raw.ts"), JSON.stringify(place)]);
  }

  run(job: RawJob): Promise<RawOutcome> {
    return this.#asked.ask(JSON.stringify(job));
  }

  stop(): Promise<void> {
    return this.#asked.stop();
  }
}

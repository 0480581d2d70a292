import { type Subprocess, spawn } from "bun";
import { join } from "node:path";
import { projectRoot } from "../support/server.ts";
import { within } from "../support/wait.ts";
import type { Task } from "./control-database-child.ts";

/** A process that works at a database; see control-database-child.ts. */
export class Child {
  private readonly process: Subprocess<"pipe", "pipe", "inherit">;
  private readonly lines: AsyncIterator<string>;
  /** What it has said. */
  readonly said: string[] = [];

  constructor(task: Task) {
    // It doesn't outlive this process, which may end without having ended it.
    this.process = spawn(["setpriv", "--pdeathsig=KILL", process.execPath, join(import.meta.dir, "control-database-child.ts"), JSON.stringify(task)], { cwd: projectRoot, stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.lines = linesOf(this.process.stdout);
  }

  /** Lets it begin, once it is ready for it. */
  async begin(): Promise<void> {
    await this.line("ready");
    this.process.stdin.write("go\n");
    await this.process.stdin.flush();
  }

  async line(wanted: string): Promise<void> {
    while (this.said.at(-1) !== wanted) {
      const { value, done } = await within(`the child to say ${wanted}`, 30_000, this.lines.next());
      if (done === true) throw new Error(`the child ended before it said ${wanted}`);
      this.said.push(value);
    }
  }

  /** Ends it as a crash would; what it said until then is in `said`. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
    for (let next = await this.lines.next(); next.done !== true; next = await this.lines.next()) this.said.push(next.value);
  }

  async ended(): Promise<number> {
    return await within("the child to end", 30_000, this.process.exited);
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const bytes of stream) {
    const parts = (rest + Buffer.from(bytes).toString()).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

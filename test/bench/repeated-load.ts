import type { Sample } from "./measure.ts";
import type { Server } from "./servers.ts";
import { outputOf, tool } from "./tools.ts";

/** Where a server's main thread and its load generator run if they are bound to one. */
const processor = "0";

/** Who wakes whom across two processors costs the kernel more one time and less another. */
export async function onOneProcessor(...pids: readonly number[]): Promise<void> {
  for (const pid of pids) if ((await outputOf(["taskset", "-pc", processor, String(pid)])) === null) throw new Error("taskset (Debian's util-linux) could not bind a process to a processor");
}

/** A load generator that goes on with the same connections whenever it is told to. */
export class RepeatedLoad {
  private readonly child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  private readonly words: { read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }> };
  private read = "";

  private constructor(child: Bun.Subprocess<"pipe", "pipe", "inherit">) {
    this.child = child;
    this.words = child.stdout.getReader();
  }

  /** Makes what the workload needs; nothing is loaded yet. */
  static async start(server: Server, workload: string, options: readonly string[]): Promise<RepeatedLoad> {
    const command = [tool("nfsload"), "-H", "127.0.0.1", "-p", String(server.port), "-m", String(server.mountPort), "-e", server.export, "-N", server.name, "-S", String(server.pid), "-L", ...options, workload];
    const load = new RepeatedLoad(Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" }));
    await load.line();
    return load;
  }

  get pid(): number {
    return this.child.pid;
  }

  async run(seconds: number): Promise<Sample> {
    this.child.stdin.write(`${seconds}\n`);
    await this.child.stdin.flush();
    return JSON.parse(await this.line()) as Sample;
  }

  async end(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }

  private async line(): Promise<string> {
    const decoder = new TextDecoder();
    for (;;) {
      const end = this.read.indexOf("\n");
      if (end >= 0) {
        const line = this.read.slice(0, end);
        this.read = this.read.slice(end + 1);
        return line;
      }
      const { value, done } = await this.words.read();
      if (done) throw new Error("the load generator ended: what it said stands above");
      this.read += decoder.decode(value, { stream: true });
    }
  }
}

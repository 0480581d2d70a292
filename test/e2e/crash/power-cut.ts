import { type Subprocess, spawn, spawnSync } from "bun";
import { accessSync, constants, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compileC } from "../../support/compile.ts";

/** A directory that can lose its power: powercut.c, mounted over a backing directory. */

/** Null, or why a power cut can't be played here. */
export function whyNoPowerCut(): string | null {
  if (process.getuid?.() !== 0) return "mounting FUSE needs root";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return "there is no usable /dev/fuse";
  }
  if (spawnSync(["pkg-config", "--exists", "fuse3"]).exitCode !== 0) return "libfuse3-dev is not installed";
  return null;
}

export class PowerCutDisk {
  readonly mountpoint: string;
  /** What the disk holds, beside the mount. */
  readonly backing: string;
  private readonly trash: string;
  private daemon: Subprocess<"pipe", "pipe", "inherit"> | null = null;

  constructor(directory: string) {
    this.mountpoint = join(directory, "disk");
    this.backing = join(directory, "backing");
    this.trash = join(directory, "trash");
    for (const path of [this.mountpoint, this.backing]) mkdirSync(path, { recursive: true });
  }

  /** Power on: what survived the last cut is there. `ignore` leaves syncs without effect: see powercut.c. */
  async mount(ignore?: string): Promise<void> {
    rmSync(this.trash, { recursive: true, force: true });
    mkdirSync(this.trash);
    const program = compileC(join(import.meta.dir, "powercut.c"), { with: ["unsynced.c"], packages: ["fuse3"] });
    const daemon = spawn([program, this.backing, this.trash, this.mountpoint, ...(ignore === undefined ? [] : [`ignore=${ignore}`])], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.daemon = daemon;
    const line = await firstLine(daemon.stdout);
    if (line !== "ready") throw new Error(`powercut did not mount: ${line}`);
  }

  /** Nobody may use the disk any more. Returns what was lost, in a line. */
  async cut(seed: number): Promise<string> {
    const daemon = this.daemon;
    if (daemon === null) throw new Error("the disk is not mounted");
    this.daemon = null;
    const { stdin } = daemon;
    stdin.write(`cut ${seed >>> 0}\n`);
    await stdin.flush();
    const line = await firstLine(daemon.stdout);
    await daemon.exited;
    return line;
  }

  /** Unmounts without losing anything. */
  async unmount(): Promise<void> {
    const daemon = this.daemon;
    if (daemon === null) return;
    this.daemon = null;
    await daemon.stdin.end();
    await daemon.exited;
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  try {
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      text += new TextDecoder().decode(value);
      if (done || text.includes("\n")) return text.split("\n")[0] ?? "";
    }
  } finally {
    reader.releaseLock();
  }
}

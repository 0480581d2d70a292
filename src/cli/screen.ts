import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import type { Screen } from "./ports.ts";

/** The other screen of the terminal, without a cursor, and back (xterm control sequences: DECSET 1049, 25). */
const enter = "\u001b[?1049h\u001b[?25l\u001b[2J";
const leave = "\u001b[0m\u001b[?25h\u001b[?1049l";
/** What is between the two is shown at once (DECSET 2026); a terminal that doesn't know it leaves it out. */
const beginFrame = "\u001b[?2026h\u001b[H";
const endFrame = "\u001b[J\u001b[?2026l";
const restOfLine = "\u001b[0m\u001b[K";

/** Arrows and other keys that are sent as a sequence, a lone Escape, and single characters. */
const keyPattern = /\u001b\[[0-9;]*[A-Za-z~]|\u001bO[A-Za-z]|[\s\S]/gu;

/** A terminal that takes nothing is not waited for longer than this many attempts. */
const triesMax = 100_000;

const exitStatus = { SIGTERM: 143, SIGHUP: 129 } as const;

/** The terminal this process is at, to be drawn on; null: results go elsewhere, or nobody is there to press a key. */
export function processScreen(term: string | undefined): Screen | null {
  if (!isatty(0) || !isatty(1) || term === "dumb") return null;
  return {
    get columns() {
      return size()[0];
    },
    get rows() {
      return size()[1];
    },
    take(on) {
      const { stdin } = process;
      let taken = true;
      const giveBack = (): void => {
        if (!taken) return;
        taken = false;
        process.off("exit", giveBack).off("SIGWINCH", on.resized).off("SIGINT", interrupt);
        for (const [signal, end] of ends) process.off(signal, end);
        stdin.off("data", keys);
        stdin.setRawMode(false);
        stdin.pause();
        write(leave);
      };
      const decoder = new TextDecoder();
      const keys = (chunk: Uint8Array): void => {
        for (const key of decoder.decode(chunk, { stream: true }).match(keyPattern) ?? []) if (taken) on.key(key);
      };
      const interrupt = (): void => on.key("\u0003");
      // Whatever ends this process: the terminal is somebody's, who goes on with it.
      const ends = (["SIGTERM", "SIGHUP"] as const).map((signal) => [signal, () => process.exit(exitStatus[signal])] as const);
      process.on("exit", giveBack).on("SIGWINCH", on.resized).on("SIGINT", interrupt);
      for (const [signal, end] of ends) process.on(signal, end);
      stdin.setRawMode(true);
      stdin.on("data", keys);
      stdin.resume();
      write(enter);
      return { draw: drawer(() => taken), giveBack };
    },
  };
}

function size(): readonly [number, number] {
  // What the stream itself tells is as old as its last look, and the signal that has it look again doesn't reach everybody.
  const stdout = process.stdout as typeof process.stdout & { _refreshSize?(): void };
  stdout._refreshSize?.();
  const [columns, rows] = stdout.getWindowSize();
  return [columns > 0 ? columns : 80, rows > 0 ? rows : 24];
}

/** Draws frames whole, one after the other: while a slow terminal takes one, the newest of the others waits. */
function drawer(may: () => boolean): (lines: readonly string[]) => void {
  let waiting: readonly string[] | null = null;
  let busy = false;
  const draw = (lines: readonly string[]): void => {
    if (!may()) return;
    if (busy) {
      waiting = lines;
      return;
    }
    busy = true;
    process.stdout.write(`${beginFrame}${lines.map((line) => `${line}${restOfLine}`).join("\r\n")}${endFrame}`, () => {
      busy = false;
      const next = waiting;
      waiting = null;
      if (next !== null) draw(next);
    });
  };
  return draw;
}

/** Also at the very end of the process, whose terminal may take nothing at the moment; one that is gone is told of by SIGHUP. */
function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  let tries = 0;
  for (let done = 0; done < bytes.length && tries < triesMax; tries++) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EIO" || code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
    }
  }
}

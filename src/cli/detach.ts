import { spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { isatty } from "node:tty";
import { openLogFile } from "#base/log-file.ts";
import type { Loaded } from "#config/index.ts";
import { ExitStatus, type Terminal } from "./ports.ts";

/** Where the child reports that it is up. */
const announceFd = 3;

/** How this program is started again: the executable, and the script where it is Bun that runs one. */
function self(): readonly string[] {
  const script = process.argv[1];
  return script !== undefined && !script.startsWith("/$bunfs/") && !script.startsWith("B:/~BUN/") ? [process.execPath, script] : [process.execPath];
}

function openLog(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch {
    // Opening it says why, and what to do.
  }
  return openLogFile(path);
}

/**
 * Starts the same command in a session of its own, without a terminal, and waits until it is up or has failed. Its output
 * goes to the log.
 */
export async function runDetached(loaded: Loaded, terminal: Terminal): Promise<number> {
  const { config } = loaded;
  const toFile = !["stderr", "stdout"].includes(config.logging.output);
  const logFile = toFile ? config.logging.output : join(config.data_dir, "dittofs.log");
  const log = openLog(logFile);
  const before = fstatSync(log).size;
  const [program = process.execPath, ...rest] = self();
  const given = process.argv.slice(2).filter((one) => one !== "--detach");
  // Named, so that the server reopens it at SIGHUP; what Bun itself may print goes there through the descriptor.
  const naming = toFile ? [] : ["--log-file", logFile];
  const child = spawn(program, [...rest, ...given, ...naming, "--announce-fd", String(announceFd), ...(isatty(1) ? ["--announce-person"] : [])], { detached: true, stdio: ["ignore", log, log, "pipe"] });
  closeSync(log);
  const ended = new Promise<number>((done) => {
    child.once("error", () => done(ExitStatus.failed));
    child.once("exit", (code) => done(code ?? ExitStatus.failed));
  });
  const up = await Promise.race([said(child.stdio[announceFd] as Readable, terminal), ended]);
  if (up === true) {
    terminal.out(`pid:   ${child.pid}\nlog:   ${logFile}\n`);
    child.unref();
    return ExitStatus.ok;
  }
  const status = await ended;
  terminal.err(`error: the server ended with status ${status} before it was up; ${logFile} says why\n${complaints(logFile, before)}`);
  return status === 0 ? ExitStatus.failed : status;
}

/** The lines of the log, from `start` on, that the child ended with. */
function complaints(logFile: string, start: number): string {
  const said = readFileSync(logFile).subarray(start).toString();
  return said.split("\n").filter((line) => line.startsWith("error: ")).map((line) => `${line}\n`).join("");
}

/** Passes on what the child says until it is up: true; false when it fell silent before. */
function said(from: Readable, terminal: Terminal): Promise<boolean> {
  return new Promise((done) => {
    let text = "";
    from.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (!text.endsWith("ready\n")) return;
      terminal.out(text.slice(0, -"ready\n".length));
      from.destroy();
      done(true);
    });
    from.once("end", () => done(false));
    from.once("error", () => done(false));
  });
}

import { isatty } from "node:tty";
import { writeSync } from "node:fs";
import { coloursFor } from "#base/colours.ts";
import { processScreen } from "./screen.ts";
import { Interrupted } from "./interrupted.ts";
import type { Person, Terminal } from "./ports.ts";

/** What --password-stdin may hold: two passwords and then some. */
const inputBytesMax = 64 * 1024;

/** The terminal, or the files and pipes in its place, of this process. */
export function processTerminal(environment: Readonly<Record<string, string | undefined>>): Terminal {
  let gone = false;
  return {
    out: (text) => {
      if (!write(1, text)) gone = true;
    },
    err: (text) => void write(2, text),
    get gone() {
      return gone;
    },
    columns: isatty(1) ? process.stdout.columns || null : null,
    colours: coloursFor(isatty(1), environment),
    person: isatty(0) && isatty(2) ? typist() : null,
    screen: processScreen(environment["TERM"]),
    readInput,
  };
}

/** Writes at once, so that nothing is lost at the exit; false where the reader went away (a closed pipe), which is no error of ours. */
function write(fd: number, text: string): boolean {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
    return false;
  }
  return true;
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > inputBytesMax) throw new Error(`standard input holds more than ${inputBytesMax} bytes; is it what was meant?`);
  }
  return Buffer.concat(chunks).toString();
}

const ctrlC = 0x03;
const ctrlD = 0x04;
const backspaces: readonly number[] = [0x08, 0x7f];
const ctrlU = 0x15;
const ends: readonly number[] = [0x0a, 0x0d];

/**
 * Questions go to standard error, so that results can go to a file. A secret is read in raw mode, byte for byte: the terminal
 * then neither shows nor edits it.
 */
function typist(): Person {
  // What was pasted past the end of a line belongs to the next question.
  let typed: number[] = [];
  return {
    async ask(question, secret) {
      write(2, question);
      const { stdin } = process;
      if (secret) stdin.setRawMode(true);
      try {
        const line: number[] = [];
        for (;;) {
          while (typed.length > 0) {
            const byte = typed.shift() as number;
            if (ends.includes(byte)) return text(line);
            if (secret && !edit(line, byte)) return null;
            if (!secret) line.push(byte);
          }
          const more = await nextChunk();
          if (more === null) return line.length === 0 ? null : text(line);
          typed = [...more];
        }
      } finally {
        if (secret) {
          stdin.setRawMode(false);
          write(2, "\n");
        }
      }
    },
  };
}

function text(line: readonly number[]): string {
  return new TextDecoder().decode(Uint8Array.from(line));
}

/** What a terminal does with its editing keys, where it leaves them to us; false at the end of input. */
function edit(line: number[], byte: number): boolean {
  if (byte === ctrlC) throw new Interrupted();
  if (byte === ctrlD) return line.length > 0;
  if (backspaces.includes(byte)) {
    // A character of several bytes goes as a whole: continuation bytes, then the first (RFC 3629 §3).
    while (((line.pop() ?? 0) & 0xc0) === 0x80) {}
  } else if (byte === ctrlU) line.length = 0;
  else line.push(byte);
  return true;
}

function nextChunk(): Promise<Buffer | null> {
  const { stdin } = process;
  return new Promise((done) => {
    const settle = (chunk: Buffer | null) => {
      stdin.off("data", onData).off("end", onEnd);
      stdin.pause();
      done(chunk);
    };
    const onData = (chunk: Buffer) => settle(chunk);
    const onEnd = () => settle(null);
    stdin.on("data", onData).on("end", onEnd);
    stdin.resume();
  });
}

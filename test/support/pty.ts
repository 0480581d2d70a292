import { type Subprocess, spawn } from "bun";
import { until } from "./wait.ts";

const beginFrame = "\u001b[?2026h\u001b[H";
const endFrame = "\u001b[J\u001b[?2026l";
/** Select graphic rendition, erase to the end of the line. */
const styling = /\u001b\[[0-9;]*[mK]/g;
/** ICANON and ECHO of a terminal's local flags. */
const cookedFlags = 0x2 | 0x8;

/** A program on a terminal of its own, whose keys a test presses and whose screen it reads. */
export class Pty {
  readonly process: Subprocess;
  private readonly terminal: Bun.Terminal;
  private text = "";

  constructor(command: readonly string[], env: Readonly<Record<string, string | undefined>>, columns = 120, rows = 24) {
    this.terminal = new Bun.Terminal({ cols: columns, rows, data: (_, data) => void (this.text += Buffer.from(data).toString()) });
    this.process = spawn([...command], { env: { ...Bun.env, TERM: "xterm-256color", ...env }, terminal: this.terminal });
  }

  /** Everything written so far. */
  get written(): string {
    return this.text;
  }

  /** The lines of the last whole frame, with their colours. */
  get frame(): readonly string[] {
    const end = this.text.lastIndexOf(endFrame);
    const begin = this.text.lastIndexOf(beginFrame, end);
    return begin < 0 || end < 0 ? [] : this.text.slice(begin + beginFrame.length, end).split("\r\n");
  }

  /** The same as a person reads them. */
  get lines(): readonly string[] {
    return this.frame.map((line) => line.replaceAll(styling, "").trimEnd());
  }

  /** Resolves with the screen once it shows this. */
  async shows(what: RegExp): Promise<readonly string[]> {
    try {
      return await until(`the screen to show ${what}`, 15_000, () => (this.lines.some((line) => what.test(line)) ? this.lines : null));
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.lines.join("\n")}\n${this.lines.length === 0 ? this.text : ""}`);
    }
  }

  /** Resolves once the other screen was left and the cursor is there again; what was written last may be on its way still. */
  async gaveBack(): Promise<void> {
    await until("the screen as it was", 5000, () => (this.text.endsWith("\u001b[?25h\u001b[?1049l") ? true : null));
  }

  press(keys: string): void {
    this.terminal.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.terminal.resize(columns, rows);
    // It is nobody's controlling terminal, so that the kernel doesn't tell.
    this.process.kill("SIGWINCH");
  }

  /** Whether lines are edited and echoed by the terminal, as a shell wants it. */
  get cooked(): boolean {
    return (this.terminal.localFlags & cookedFlags) === cookedFlags;
  }

  close(): void {
    if (this.process.exitCode === null) this.process.kill("SIGKILL");
    this.terminal.close();
  }
}

import { spawn } from "bun";
import { within } from "./wait.ts";

/** Samba's smbclient against a server of the tests. */

export const smbclientMissing: string | null = Bun.which("smbclient") === null ? "smbclient is not installed" : null;

export interface SmbclientOptions {
  readonly port: number;
  /** Without its slash. */
  readonly share: string;
  /** Null: without a name. */
  readonly user?: string | null;
  readonly password?: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly limitMs?: number;
}

export interface Ran {
  readonly status: number;
  /** Both streams. */
  readonly text: string;
}

/** Runs a line of commands, `;` between them; whatever comes of it. */
export async function trySmbclient(options: SmbclientOptions, commands: string): Promise<Ran> {
  const { port, share, user = "alice", password = "secret12", args = [], cwd, limitMs = 60_000 } = options;
  const who = user === null ? ["-N"] : ["-U", `${user}%${password}`];
  const child = spawn(["smbclient", `//127.0.0.1/${share}`, "-p", String(port), ...who, ...args, "-c", commands], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // Nothing of the machine's own configuration.
    env: { ...Bun.env, SMB_CONF_PATH: "/dev/null" },
    ...(cwd === undefined ? {} : { cwd }),
  });
  try {
    const [out, err, status] = await within(`smbclient: ${commands}`, limitMs, Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]));
    return { status, text: out + err };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** The same, which must go well. smbclient's status is that of the last command: a failure before it shows in what it says. */
export async function smbclient(options: SmbclientOptions, commands: string): Promise<string> {
  const { status, text } = await trySmbclient(options, commands);
  if (status !== 0 || /NT_STATUS_(?!OK)/.test(text)) throw new Error(`smbclient ${commands}: status ${status}\n${text}`);
  return text;
}

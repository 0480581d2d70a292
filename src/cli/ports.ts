import type { Loaded } from "#config/index.ts";

/** Something the server listens on. */
export interface Listening {
  /** `api`, `nfs`, `portmapper`. */
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  /** Over TLS; absent: not. */
  readonly tls?: boolean;
}

/** What a running server says about itself, as `status` prints it. */
export interface Instance {
  readonly pid: number;
  readonly state: "starting" | "ready" | "stopping";
  readonly version: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly dataDirectory: string;
  /** The configuration file that was read, or null. */
  readonly configFile: string | null;
  readonly listening: readonly Listening[];
  readonly shares: readonly InstanceShare[];
}

export interface InstanceShare {
  readonly name: string;
  readonly metadata: string;
  readonly blocks: string;
  readonly durability: string;
  readonly readOnly: boolean;
  readonly allowedClients: readonly string[];
}

/** What a server that starts tells whoever started it. */
export interface Announce {
  /** Something the person at the terminal should know, in whole lines; never a part of the log. */
  note(text: string): void;
  /** A line of a share's recovery. */
  recovered(share: string, summary: string): void;
  listening(at: Listening): void;
  /** Everything is up. */
  ready(instance: Instance): void;
}

export interface RunOptions {
  readonly version: string;
  /** A further file to hold the process id while the server runs. */
  readonly pidFile: string | null;
  readonly announce: Announce;
}

/** What the command line needs of the server proper; `main.ts` brings the two together. */
export interface ServerControl {
  /** Runs a server until it is told to stop; the exit status. */
  run(loaded: Loaded, options: RunOptions): Promise<number>;
  /** Makes the data directory, as `run` does. */
  makeDataDirectory(dataDirectory: string): void;
  /** The server that holds this data directory, or null. */
  find(dataDirectory: string): Instance | null;
  /** Waits until that server is gone; false when it still runs after `timeoutMs`. */
  waitUntilGone(dataDirectory: string, pid: number, timeoutMs: number): boolean;
}

/** What a command talks to besides the server. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
}

export interface Context {
  readonly terminal: Terminal;
  readonly version: Version;
  /** Loaded when a command needs it: `version` and `--help` don't wait for the server's code. */
  server(): Promise<ServerControl>;
}

export interface Version {
  readonly version: string;
  /** Short commit id, "" where the build knew none. */
  readonly commit: string;
}

export function describeVersion(version: Version): string {
  return version.commit === "" ? version.version : `${version.version} (${version.commit})`;
}

/** Exit statuses of every command. */
export const ExitStatus = {
  ok: 0,
  failed: 1,
  /** Wrong usage or configuration. */
  usage: 2,
  /** `status`: no server runs (the status LSB init scripts give). */
  notRunning: 3,
} as const;

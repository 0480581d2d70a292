import type { schemas } from "#api/contract/index.ts";
import type { Clock } from "#base/clock.ts";
import type { Environment, Loaded } from "#config/index.ts";

/** Something the server listens on. */
export interface Listening {
  /** `api`, `nfs`, `portmapper`, `smb`. */
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
  /** The file it logs to; null: a terminal or a pipe; absent: it doesn't say. */
  readonly logFile?: string | null;
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
  /** Whether a person at a terminal reads it, and not a file or a journal, where no secret belongs. */
  readonly person: boolean;
  /** Something whoever started it should know, in whole lines; never a part of the log. */
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
  /** Begin a control plane although there are files of shares, and none that knows them. */
  readonly newControlPlane: boolean;
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
  readonly offline: Offline;
}

/**
 * What is done to a control-plane database without its server. All but `places`, `examine` and `backup` throw where a server runs on the
 * data directory; every one throws an Error whose message says what to do.
 */
export interface Offline {
  /** Where the control plane keeps its things, whether they are there or not. */
  places(loaded: Loaded): ControlPlaces;
  /** Looks at the database without changing anything, and says how it is; null: it isn't there yet, and need not be. */
  examine(loaded: Loaded): Promise<string | null>;
  /** Gives the user a new random password that must be changed at the next log-in, enables them, and ends their sessions. */
  resetPassword(loaded: Loaded, username: string): Promise<{ readonly username: string; readonly password: string }>;
  /** Wraps the data keys with `next`, or with a new random secret that replaces the file (null). */
  rotateSecret(loaded: Loaded, next: string | null): Promise<SecretRotated>;
  /** Writes a checked copy of the database to a file that must not be there, mode 0600; also of a running server's. */
  backup(loaded: Loaded, file: string): Promise<BackupWritten>;
  /** Rebuilds a share from its block store alone, in a data directory without it. */
  recover(loaded: Loaded, request: RecoverRequest, tell: (progress: RecoverProgress) => void): Promise<RecoveredShare>;
  /** Puts a backup in the place of the database, whole or not at all. `force`: although a server runs or the backup is of another secret. */
  restore(loaded: Loaded, file: string, how: { readonly force: boolean }): Promise<BackupRestored>;
  /** Does long work on a share; `told` hears of its progress some times a second. Resolves when it has ended. */
  work(loaded: Loaded, what: OfflineWork, told: (job: schemas.JobDetail) => void): Promise<schemas.JobDetail>;
}

/** Long work on a share, without a server. */
export type OfflineWork = { readonly kind: "migrate"; readonly share: string; readonly to: { readonly metadata?: string; readonly blocks?: string; readonly acceptVolatile?: boolean } } | { readonly kind: "fsck"; readonly share: string; readonly data: boolean; readonly repair: boolean } | { readonly kind: "gc"; readonly share: string; readonly remove: boolean } | { readonly kind: "scrub"; readonly share: string; readonly bytesPerSecond: number | null };

/** What a share is recovered from, and as what. */
export interface RecoverRequest {
  /** Type and configuration of the block store. */
  readonly type: string;
  readonly config: Readonly<Record<string, string | number | boolean | null>>;
  /** What the store is called here. */
  readonly storeName: string;
  /** Name or instance of the share; null: the only one there is. */
  readonly share: string | null;
  /** Its name here; null: as it was. */
  readonly name: string | null;
  /** Reads and checks everything, and changes nothing. */
  readonly dryRun: boolean;
  /** Recovers also where the store has not everything that was written last. */
  readonly acceptLoss: boolean;
  /** Recovers also from a store that the share was being moved away from. */
  readonly acceptMoved: boolean;
}

export interface RecoverProgress {
  readonly phase: "snapshot" | "changes" | "packs";
  readonly done: number;
  /** Null: not known. */
  readonly of: number | null;
}

export interface RecoveredShare {
  readonly name: string;
  readonly instance: string;
  /** Of the server that made the snapshot. */
  readonly host: string;
  readonly database: string;
  readonly files: number;
  readonly bytes: number;
  /** Segments of changes that were read. */
  readonly segments: number;
  /** Changes of content that were in no pack yet. */
  readonly unstoredRecords: number;
  /** Files of which the store has not what was written last: they are recovered without it. */
  readonly filesWithLoss: number;
}

export interface ControlPlaces {
  /** The SQLite file, or null: PostgreSQL. */
  readonly databaseFile: string | null;
  /** The file of the generated secret; null: the secret comes from the environment. */
  readonly secretFile: string | null;
  /** The file of the first administrator's generated password. */
  readonly initialPasswordFile: string | null;
}

export interface SecretRotated {
  /** How many wrapped values were wrapped anew. */
  readonly rewrapped: number;
  /** The file the new secret was written to; null: it was given, and belongs into the environment now. */
  readonly secretFile: string | null;
}

export interface BackupWritten {
  readonly file: string;
  readonly bytes: number;
  readonly schemaVersion: number;
}

export interface BackupRestored {
  /** What the backup holds. */
  readonly users: number;
  readonly shares: number;
  readonly schemaVersion: number;
  /** Where the database that was there went, or null: there was none. */
  readonly before: string | null;
}

/** Somebody who can be asked. */
export interface Person {
  /** The line that was typed, or null at its end (Ctrl-D). `secret`: without echo. */
  ask(question: string, secret: boolean): Promise<string | null>;
}

/** The whole of a terminal, for a command that draws on it. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  /** Takes it over: keys are handed on as they are pressed, nothing is echoed, and what was on it comes back at the end, however this process ends. */
  take(on: { key(key: string): void; resized(): void }): TakenScreen;
}

export interface TakenScreen {
  /** Shows these lines, no wider and no more than there is room for, and nothing else. */
  draw(lines: readonly string[]): void;
  giveBack(): void;
}

/** What a command talks to besides the server. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Columns of the terminal that results go to; null: they go to a file or a pipe. */
  readonly columns: number | null;
  /** Results go to a terminal that may have colours. */
  readonly colours: boolean;
  /** Null: nobody is there to be asked. */
  readonly person: Person | null;
  /** Null: results go to a file or a pipe, or nobody is there to press a key. */
  readonly screen: Screen | null;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** Whether whoever read the results went away (a closed pipe). */
  readonly gone: boolean;
}

export interface Context {
  readonly terminal: Terminal;
  readonly version: Version;
  readonly environment: Environment;
  readonly clock: Clock;
  /** Waits, and keeps the process alive meanwhile, which a Clock's timers don't. */
  wait(ms: number): Promise<void>;
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

/** Exit statuses of every command; `exitStatusMeanings` has them for people. */
export const ExitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** The status LSB init scripts give. */
  notRunning: 3,
  denied: 4,
  notFound: 5,
  conflict: 6,
  unreachable: 7,
  /** A check found damage, and it is still there. */
  damaged: 8,
  /** 128 and the number of SIGINT, as shells say it. */
  interrupted: 130,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** For the reference and the man page. */
export const exitStatusMeanings: readonly (readonly [number, string])[] = [
  [ExitStatus.ok, "done"],
  [ExitStatus.failed, "it failed"],
  [ExitStatus.usage, "wrong usage or configuration, or a value the server doesn't take"],
  [ExitStatus.notRunning, "no server runs there (status, stop)"],
  [ExitStatus.denied, "not logged in, or not allowed"],
  [ExitStatus.notFound, "there is no such thing"],
  [ExitStatus.conflict, "it exists already, is in use, or was changed meanwhile"],
  [ExitStatus.unreachable, "the server doesn't answer"],
  [ExitStatus.damaged, "damage was found and not repaired (fsck, scrub)"],
  [ExitStatus.interrupted, "interrupted by Ctrl-C at a question"],
];

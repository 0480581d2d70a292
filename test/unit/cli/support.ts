import { type Clock, sleep, systemClock } from "#base/clock.ts";
import { type Context, type Instance, type Offline, runCli, type RunOptions, type Screen, type ServerControl } from "#cli/index.ts";
import type { Loaded } from "#config/index.ts";
import { temporary } from "../../support/temporary.ts";

export const instance: Instance = {
  pid: 4711,
  state: "ready",
  version: "1.2.3 (abc)",
  startedAt: "2026-01-02T03:04:05.000Z",
  dataDirectory: "/srv/d",
  configFile: null,
  listening: [{ protocol: "nfs", address: "0.0.0.0", port: 12049 }],
  shares: [{ name: "/export", metadata: "sqlite", blocks: "filesystem", durability: "local", readOnly: false, allowedClients: ["127.0.0.0/8", "::1"] }],
};

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  /** What a started server was given. */
  readonly started: { readonly loaded: Loaded; readonly options: RunOptions } | null;
}

/** The world a command runs in, where it is not an empty one. */
export interface World {
  /** What the data directory holds. */
  readonly running?: Instance | null;
  readonly run?: ServerControl["run"];
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What a person answers, question by question; absent: nobody is there. */
  readonly answers?: readonly (string | null)[];
  readonly columns?: number;
  readonly screen?: Screen;
  /** Standard input. */
  readonly input?: string;
  readonly offline?: Offline;
  readonly clock?: Clock;
  readonly gone?: () => boolean;
  readonly wait?: (ms: number) => Promise<void>;
  /** Sees each question. */
  readonly asked?: (question: string, secret: boolean) => void;
}

const unexpected = () => Promise.reject(new Error("nobody expected the database to be touched"));
/** Offline verbs of tests that are about others. */
const untouched: Offline = {
  places: () => ({ databaseFile: null, secretFile: null, initialPasswordFile: null }),
  examine: async () => null,
  resetPassword: unexpected,
  rotateSecret: unexpected,
  backup: unexpected,
  restore: unexpected,
  recover: unexpected,
  work: unexpected,
};

/** A home without any settings in it: tests must not meet those of whoever runs them. */
const emptyHome = (): string => temporary("cli-home");

/** Runs one command in a world that is only pretended. */
export async function cli(args: readonly string[], world: World = {}): Promise<Outcome> {
  let out = "";
  let err = "";
  let started: Outcome["started"] = null;
  const answers = [...(world.answers ?? [])];
  const context: Context = {
    terminal: {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      columns: world.columns ?? null,
      colours: world.columns !== undefined,
      person:
        world.answers === undefined
          ? null
          : {
              async ask(question, secret) {
                world.asked?.(question, secret);
                const answer = answers.shift();
                if (answer === undefined) throw new Error(`nobody expected the question ${question}`);
                return answer;
              },
            },
      screen: world.screen ?? null,
      readInput: async () => world.input ?? "",
      get gone() {
        return world.gone?.() ?? false;
      },
    },
    version: { version: "1.2.3", commit: "abc" },
    environment: { HOME: emptyHome(), ...world.environment },
    clock: world.clock ?? systemClock,
    wait: world.wait ?? sleep,
    server: async () => ({
      async run(loaded, options) {
        started = { loaded, options };
        return world.run === undefined ? 0 : await world.run(loaded, options);
      },
      makeDataDirectory() {},
      find: () => world.running ?? null,
      waitUntilGone: () => true,
      offline: world.offline ?? untouched,
    }),
  };
  const status = await runCli(args, context);
  return { status, out, err, started };
}

/** Runs one command of the server's own process; `running` is what the data directory holds. */
export function dittofs(args: readonly string[], running: Instance | null = null, run?: ServerControl["run"]): Promise<Outcome> {
  return cli(args, { running, ...(run === undefined ? {} : { run }) });
}

import { type Context, type Instance, runCli, type RunOptions, type ServerControl } from "#cli/index.ts";
import type { Loaded } from "#config/index.ts";

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

/** Runs one command against a server that is only pretended; `running` is what the data directory holds. */
export async function dittofs(args: readonly string[], running: Instance | null = null, run?: ServerControl["run"]): Promise<Outcome> {
  let out = "";
  let err = "";
  let started: Outcome["started"] = null;
  const context: Context = {
    terminal: { out: (text) => void (out += text), err: (text) => void (err += text) },
    version: { version: "1.2.3", commit: "abc" },
    server: async () => ({
      async run(loaded, options) {
        started = { loaded, options };
        return run === undefined ? 0 : await run(loaded, options);
      },
      makeDataDirectory() {},
      find: () => running,
      waitUntilGone: () => true,
    }),
  };
  const status = await runCli(args, context);
  return { status, out, err, started };
}

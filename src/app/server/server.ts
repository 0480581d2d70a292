import type { Announce, Instance, Listening } from "#cli/ports.ts";
import type { Loaded } from "#config/index.ts";
import type { LogLevel, OpenLogger } from "#telemetry/logs/index.ts";
import { type RunningApi, startApi } from "./api.ts";
import { openControl, type RunningControl } from "../control/control.ts";
import { DataDirectoryError } from "../process/data-directory.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import type { Surroundings } from "../share/open-share.ts";
import { collectConnections, collectProtocols, collectServer, countedLogins } from "../metrics/index.ts";
import { startProfiling } from "../telemetry/profiling.ts";
import { ServerRuntime } from "./runtime.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import { startTraces } from "../telemetry/traces.ts";
import { OtherTree } from "../share/tree.ts";

/** The part of a stop's time that requests in hand may take; the rest is for content on its way into its store. */
const drainPart = 0.5;

export interface ServerParts {
  readonly loaded: Loaded;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly around: Surroundings;
  readonly logger: OpenLogger;
  readonly lifecycle: Lifecycle;
  readonly announce: Announce;
  /** Opens what metrics are served at. */
  readonly serveTelemetry: (lifecycle: Lifecycle) => Promise<readonly Listening[]>;
  /** Begin a control plane although there are files of shares. */
  readonly newControlPlane: boolean;
  /** What is listened on or shared changed. */
  readonly changed: () => void;
}

/** A server that serves. */
export interface RunningServer {
  readonly listening: readonly Listening[];
  readonly shares: Instance["shares"];
  /** Reads anew what lies in files beside the configuration: the certificate of the REST interface. */
  reload(): void;
}

/** What it is about as far as it got, for `status` from the first moment on. */
class Server implements RunningServer {
  api: RunningApi | null = null;
  telemetry: readonly Listening[] = [];
  private readonly runtime: ServerRuntime;

  constructor(runtime: ServerRuntime) {
    this.runtime = runtime;
  }

  get listening(): readonly Listening[] {
    return [...(this.api === null ? [] : [this.api.listening]), ...this.telemetry, ...this.runtime.listening];
  }

  get shares(): Instance["shares"] {
    return this.runtime.plans().map((plan) => ({
      name: plan.name,
      metadata: plan.metadata.type,
      blocks: plan.blocks.type,
      durability: plan.durability,
      readOnly: plan.policy.readOnly,
      allowedClients: plan.policy.allowedClients,
    }));
  }

  reload(): void {
    void this.api?.reloadCertificate();
  }
}

/** Starts everything: the control plane first, then shares, the REST interface, and the protocols last. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { loaded, around, logger, lifecycle, announce } = parts;
  let started = false;
  await startTraces(loaded.config, parts.version, around, lifecycle);
  const runtime = new ServerRuntime({
    config: loaded.config,
    around,
    recovered(share, summary) {
      if (started) logger.info({ share, summary }, "recovered a share");
      else announce.recovered(share, summary);
    },
    // Nothing is asked of the runtime before the control plane is open.
    identify: (shareId, instance) => control.identify(shareId, instance),
    attempts: { begin: (name, address) => control.attempts.begin(name, address) },
    setLogLevel: (level) => logger.setLevel(level as LogLevel),
    changed: parts.changed,
  });
  const server = new Server(runtime);
  collectProtocols(around.telemetry.metrics, runtime.protocols);
  collectServer(around.telemetry.metrics, runtime.measured, loaded.config.data_dir);
  server.telemetry = await parts.serveTelemetry(lifecycle);
  for (const at of server.telemetry) announce.listening(at);
  const profiles = await startProfiling(loaded.config, parts.version, around, lifecycle);
  const control: RunningControl = await openControl({ loaded, runtime, around, begin: parts.newControlPlane });
  lifecycle.started("control plane", async (leftMs) => {
    if (!(await control.stop(leftMs))) throw new Error("the control plane did not close in good order; what was answered is durable");
  });
  lifecycle.started("shares", async (leftMs) => {
    if (!(await runtime.stopShares(leftMs))) throw new Error("not every share could store everything in time; the rest is in its log");
  });
  await openShares(runtime, control, parts);
  const { metrics } = around.telemetry;
  const plane = { ...control.plane, logins: countedLogins(control.plane.logins, metrics) };
  const api = await startApi(loaded.config, { control: plane, metrics, runtime, profiles, slow: runtime.slow, about: { version: parts.version, startedAt: parts.startedAt, pid: process.pid, dataDir: loaded.config.data_dir } }, around);
  server.api = api;
  collectConnections(metrics, "api", () => api.stats());
  lifecycle.started("api", (leftMs) => api.stop(leftMs * drainPart));
  announce.listening(api.listening);
  // Before the REST interface waits for its calls: one of them may wait for a profile.
  lifecycle.started("profiles", () => profiles.stop());
  lifecycle.started("protocols", (leftMs) => runtime.stopAdapters(leftMs * drainPart));
  const [failure] = await runtime.serve();
  if (failure?.target.type === "adapter") throw new Error(failure.reason);
  for (const at of runtime.listening) announce.listening(at);
  started = true;
  if (control.firstWords !== null) announce.note(control.firstWords(announce.person));
  return server;
}

/** Why a share is not served is no fault of this server, or heals. */
function isElsewhere(error: Error | undefined): boolean {
  return error instanceof OtherTree || error instanceof StoreUnavailableError;
}

/** Opens the shares. Where none of those that are wanted can be, that is no server; but what lies on another one, or is to be decided by an operator, keeps it from nothing. */
async function openShares(runtime: ServerRuntime, control: RunningControl, { logger }: ServerParts): Promise<void> {
  const failures = await control.start();
  const away = failures.some(({ target }) => isElsewhere(runtime.whyNot(target.name)));
  if (!away && failures.length > 0 && failures.length === control.plane.shares.list().length) {
    const [only] = failures;
    throw (failures.length === 1 && only !== undefined && runtime.whyNot(only.target.name)) || new DataDirectoryError(failures.map((failure) => failure.reason).join("\n"));
  }
  for (const { target, reason } of failures) logger.error({ [target.type]: target.name, reason }, "a share is not served");
}

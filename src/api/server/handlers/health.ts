import type { Static } from "@sinclair/typebox";
import type { health } from "#api/contract/routes/server.ts";
import type { Health } from "#api/contract/schemas.ts";
import type { StoreKind } from "#control/nouns.ts";
import type { Handlers, Services } from "../handler.ts";
import { limits } from "../limits.ts";
import { Refusal } from "../refusal.ts";
import { shareStateOf, when } from "../views.ts";
import { nowMs } from "./system.ts";

type Report = Static<typeof Health>;

const kinds: readonly StoreKind[] = ["metadata", "block"];

/** Whether the database answers, asked at most once a second however many ask: anyone may. */
function databaseHealth({ control, clock }: Services): () => Promise<boolean> {
  let asked: Promise<boolean> | null = null;
  let askedMs = 0;
  return () => {
    if (asked === null || clock.monotonicMs() - askedMs >= limits.healthMs) {
      askedMs = clock.monotonicMs();
      asked = control.health().then(
        (reason) => reason === null,
        () => false,
      );
    }
    return asked;
  };
}

/** A report that stands for "no": the document the caller would have got rides in the problem. */
function failed(report: Report, why: string): never {
  throw new Refusal("unavailable", why, { health: report, hint: "Those who run the server see more: dittofs status, dittofs share list, dittofs store list." });
}

/** Anyone may ask, so that no reason, path or host is told here. */
export function healthHandlers(services: Services) {
  const { control, runtime, clock, about } = services;
  const database = databaseHealth(services);
  const report = (status: Report["status"], data: Report["data"], error?: string): Report => ({
    status,
    timestamp: when(nowMs(clock)),
    data,
    ...(error === undefined ? {} : { error }),
  });
  return {
    live: async () => {
      const answers = await database();
      const uptimeSec = Math.max(0, Math.floor((nowMs(clock) - about.startedAt) / 1000));
      return {
        body: report(
          answers ? "healthy" : "degraded",
          { service: "dittofs", started_at: when(about.startedAt), uptime: `${uptimeSec}s`, uptime_sec: uptimeSec, control_plane_db: answers ? "healthy" : "unhealthy" },
          answers ? undefined : "the control-plane database does not answer",
        ),
      };
    },
    ready: async () => {
      const shares = control.shares.list().map((share) => shareStateOf(share, runtime).state);
      const adapters = control.adapters.list();
      const running = adapters.filter((adapter) => runtime.adapter(adapter.type).running).length;
      const idle = adapters.filter((adapter) => adapter.enabled && !runtime.adapter(adapter.type).running).length;
      const failing = shares.filter((state) => state === "failed").length;
      const stores = kinds.reduce((sum, kind) => sum + control.stores.list(kind).length, 0);
      const answers = await database();
      const data = { shares: shares.length, shares_failed: failing, stores, adapters_running: running, control_plane_db: answers ? "healthy" : "unhealthy" };
      const why = !answers ? "The control-plane database does not answer." : idle > 0 ? "An adapter that should run doesn't." : null;
      if (why !== null) failed(report("unhealthy", data, why), why);
      return { body: failing > 0 ? report("degraded", data, `${failing} of ${shares.length} shares are not served.`) : report("healthy", data) };
    },
    stores: () => {
      const stores = kinds.flatMap((kind) =>
        control.stores.list(kind).map((store) => {
          const { healthy, latencyMs, checkedAt } = control.stores.known(kind, store.name);
          return { kind, name: store.name, type: store.type, status: healthy ? "healthy" : "unhealthy", latency_ms: latencyMs, checked_at: when(checkedAt) };
        }),
      );
      const sick = stores.filter((store) => store.status === "unhealthy").length;
      if (sick > 0) failed(report("unhealthy", { stores }, `${sick} of ${stores.length} stores do not answer.`), `${sick} of ${stores.length} stores do not answer.`);
      return { body: report("healthy", { stores }) };
    },
  } satisfies Handlers<typeof health>;
}

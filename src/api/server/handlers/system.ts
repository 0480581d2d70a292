import type { system } from "#api/contract/routes/server.ts";
import type { Clock } from "#base/clock.ts";
import { callerOf, type Handlers, type Services, whileWaiting } from "../handler.ts";
import type { Stats } from "#api/contract/schemas.ts";
import { statsView } from "./stats.ts";
import { seesAll, shareNameOf } from "../share-access.ts";
import { troubledStores } from "../troubled-stores.ts";
import { adapterPortView, shareStateOf, when } from "../views.ts";

/** Milliseconds since 1970. */
export function nowMs(clock: Clock): number {
  const now = clock.now();
  return now.sec * 1000 + Math.floor(now.nsec / 1_000_000);
}

export function systemHandlers({ control, runtime, clock, about }: Services) {
  return {
    status: (call) => {
      const shares = { serving: 0, disabled: 0, failed: 0, volatile: 0 };
      for (const share of control.shares.list()) {
        const { state } = shareStateOf(share, runtime);
        if (state !== "deleted") shares[state]++;
        if (share.volatile) shares.volatile++;
      }
      return {
        body: {
          version: about.version,
          started_at: when(about.startedAt),
          uptime_seconds: Math.max(0, Math.floor((nowMs(clock) - about.startedAt) / 1000)),
          pid: about.pid,
          data_dir: seesAll(callerOf(call).user) ? about.dataDir : null,
          database: control.databaseType === "postgres" ? ("postgres" as const) : ("sqlite" as const),
          shares,
          troubled_stores: seesAll(callerOf(call).user) ? troubledStores(control, runtime, nowMs(clock)) : [],
          adapters: control.adapters.list().map((adapter) => adapterPortView(adapter, runtime)),
          clients: runtime.clients().length,
        },
      };
    },
    stats: async ({ query, events, gone }) => {
      const seconds = query.interval ?? 1;
      if (events) return { follow: (told: (body: Stats) => void) => runtime.live.follow(seconds, (figures) => told(statsView(figures))) };
      return { body: statsView(await whileWaiting(gone, runtime.live.figures(seconds))) };
    },
    drainUploads: async ({ query }) => {
      const share = query.share === undefined ? null : control.shares.get(shareNameOf(query.share)).name;
      const startMs = clock.monotonicMs();
      const drained = await runtime.drain(share);
      const shares = [...drained].map(([name, bytes]) => ({ name, bytes }));
      return { body: { bytes: shares.reduce((sum, each) => sum + each.bytes, 0), shares, duration_ms: Math.round(clock.monotonicMs() - startMs) } };
    },
  } satisfies Handlers<typeof system>;
}

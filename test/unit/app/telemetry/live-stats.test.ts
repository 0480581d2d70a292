import { expect, test } from "bun:test";
import type { ClientInfo, ShareState } from "#control/index.ts";
import type { LiveFigures } from "#control/live.ts";
import { LiveStats } from "../../../../src/app/telemetry/live-stats.ts";
import { noTelemetry } from "../../../../src/app/telemetry/telemetry.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { LogLines } from "../../../support/log-lines.ts";

const client = (id: number, requests: number): ClientInfo => ({ id: `nfs-${id}`, protocol: "nfs", address: `10.0.0.${id % 250}`, user: null, shares: [], connectedAt: 0, lastSeenAt: 0, requests, bytesIn: requests * 10, bytesOut: requests * 20 });
const state: ShareState = { state: "serving", error: null, dirtyBytes: 5, unstoredBytes: 7, oldestUnstoredMs: 12, storeError: null, diskCache: null };

function world() {
  const clock = new ManualClock();
  const telemetry = noTelemetry(clock);
  const clients: ClientInfo[] = [];
  const logger = new LogLines();
  const failing = { on: false };
  const shares = () => {
    if (failing.on) throw new Error("no shares");
    return ["/a"];
  };
  const live = new LiveStats({ clock, telemetry, logger, shares, share: () => state, clients: () => clients });
  const watched = () => telemetry.nfsRequests.watch !== null && telemetry.smbRequests.watch !== null;
  return { clock, clients, live, logger, failing, watched };
}

test("requests are watched while somebody looks, and for a few seconds after", async () => {
  const { clock, live, watched } = world();
  expect(watched()).toBe(false);
  const first = live.figures(1);
  expect(watched()).toBe(true);
  await clock.passInTurns(1000);
  expect(await first).toMatchObject({ intervalMs: 1000, dirtyBytes: 5, unstoredBytes: 7, shares: [{ name: "/a", oldestUnstoredMs: 12 }] });
  expect(await live.figures(1)).toBe(await first);
  await clock.passInTurns(4000);
  expect(watched()).toBe(true);
  await clock.passInTurns(6000);
  expect([watched(), live.watched]).toEqual([false, 0]);
  const seen: LiveFigures[] = [];
  const followers = [live.follow(2, (figures) => seen.push(figures)), live.follow(2, () => {})];
  await clock.passInTurns(100_000);
  expect(seen).toHaveLength(50);
  for (const follower of followers) follower.end();
  await clock.passInTurns(20_000);
  expect([seen.length, watched()]).toEqual([50, false]);
});

test("the busiest clients come first, by what they did since; the many are counted", async () => {
  const { clock, clients, live } = world();
  for (let i = 0; i < 500; i++) clients.push(client(i, 1_000_000));
  const asked = live.figures(1);
  clients[7] = client(7, 1_000_300);
  clients[9] = client(9, 1_000_100);
  clients.push(client(1000, 50));
  await clock.passInTurns(1000);
  const { clients: shown, clientsTotal } = await asked;
  expect([shown.length, clientsTotal]).toEqual([200, 501]);
  expect(shown.slice(0, 3).map(({ id, requests, sentBytes }) => [id, requests, sentBytes])).toEqual([["nfs-7", 300, 6000], ["nfs-9", 100, 2000], ["nfs-1000", 50, 1000]]);
});

test("a fault costs the figures of its interval: who waits for them hears so, and who follows gets the next", async () => {
  const { clock, live, logger, failing, watched } = world();
  const seen: LiveFigures[] = [];
  const follower = live.follow(1, (figures) => seen.push(figures));
  await clock.passInTurns(1000);
  failing.on = true;
  await clock.passInTurns(1000);
  const asked = live.figures(1).catch((error: Error) => error.message);
  await clock.passInTurns(9000);
  expect(await asked).toBe("no shares");
  expect([seen.length, logger.lines.length]).toEqual([1, 1]);
  failing.on = false;
  await clock.passInTurns(1000);
  expect(await live.figures(1)).toBe(seen[1] as LiveFigures);
  follower.end();
  await clock.passInTurns(20_000);
  expect(watched()).toBe(false);
});

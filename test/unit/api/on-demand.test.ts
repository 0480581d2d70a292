import { expect, test } from "bun:test";
import { apiOnDemand } from "#api/server/on-demand.ts";
import type { ApiOptions } from "#api/server/api.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import type { ControlPlane } from "#control/services.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { fakeProfiles, fakeRuntime } from "../../support/fake-control.ts";

const options: ApiOptions = {
  control: {} as ControlPlane,
  runtime: fakeRuntime(),
  profiles: fakeProfiles(),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  about: { version: "0.0.0-test", startedAt: 0, pid: 1, dataDir: "/srv/dittofs" },
  tls: false,
  hosts: null,
};
const peer = { address: "127.0.0.1", unhurried() {} };
const page = () => new Request("http://127.0.0.1/api/docs/start.js");

test("calls that come while it loads are all answered", async () => {
  const api = apiOnDemand(options);
  const answers = await Promise.all([api.fetch(page(), peer), api.fetch(page(), peer), api.fetch(page(), peer)]);
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
  await api.close();
});

test("closed before its first call it refuses that call, too", async () => {
  const api = apiOnDemand(options);
  await api.close();
  expect((await api.fetch(page(), peer)).status).toBe(503);
});

test("closed while it loads it refuses the call that loaded it, and closes", async () => {
  const api = apiOnDemand(options);
  const first = api.fetch(page(), peer);
  const closed = api.close();
  expect((await first).status).toBe(503);
  await closed;
});

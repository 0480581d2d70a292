import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openPinoLogger } from "#telemetry/logs/index.ts";
import { type RequestFields, withinRequest } from "#telemetry/logs/request.ts";
import { useTracer } from "#telemetry/tracing/current.ts";
import { Kind, openTracing, requestAttribute, tracer } from "#telemetry/tracing/index.ts";
import { systemClock } from "#base/clock.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { SeededRandom } from "../../../support/seeded-random.ts";
import { temporary } from "../../../support/temporary.ts";

test("lines written on behalf of a request carry its fields, those of what it leaves behind don't", async () => {
  const output = join(temporary("request"), "log");
  const logger = openPinoLogger({ level: "info", format: "json", output }).child({ part: "control" });
  const go = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  let later: Promise<void> = Promise.resolve();
  const work = async (fields: RequestFields) => {
    logger.info({}, "begun");
    await Promise.resolve();
    fields.user = "alice";
    fields.share = "/export";
    logger.warn({ share: "/other" }, "known");
    later = left.promise.then(() => logger.info({}, "left behind"));
    await go.promise;
  };
  const fields = { request: "r-1", client: "192.0.2.7" };
  const done = withinRequest(fields, () => work(fields));
  const other = { request: "r-2", client: "192.0.2.8" };
  await withinRequest(other, async () => logger.info({}, "another"));
  logger.info({}, "nobody's");
  go.resolve();
  await done;
  left.resolve();
  await later;
  const lines = readFileSync(output, "utf8").trimEnd().split("\n").map((line) => {
    const { time: _, level: __, part: ___, ...rest } = JSON.parse(line);
    return rest;
  });
  expect(lines).toEqual([
    { request: "r-1", client: "192.0.2.7", msg: "begun" },
    { request: "r-2", client: "192.0.2.8", msg: "another" },
    { request: "r-1", client: "192.0.2.7", user: "alice", share: "/other", msg: "known" },
    { msg: "nobody's" },
    { msg: "left behind" },
  ]);
});

test("lines written for a request that is followed carry its trace and its id, also after it waited", async () => {
  const output = join(temporary("request"), "log");
  const logger = openPinoLogger({ level: "info", format: "json", output });
  await openTracing({ endpoint: "127.0.0.1:1", insecure: true, sampleRate: 1, perSecondMax: 1, version: "9.9", clock: systemClock, random: new SeededRandom(1), logger: silentLogger });
  const span = tracer!.begin("nfs.READ", Kind.server, { [requestAttribute]: "nfs-7:0000abcd" });
  const done = span.run(async () => {
    await Promise.resolve();
    const child = span.child("vfs.read");
    child.run(() => logger.warn({}, "damaged"));
    child.end();
  });
  logger.info({}, "nobody's");
  await done;
  span.end();
  useTracer(null);
  const lines = readFileSync(output, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  expect(lines[0]).not.toHaveProperty("trace");
  expect(lines[1]).toMatchObject({ trace: span.context.traceId, request: "nfs-7:0000abcd", msg: "damaged" });
});

import { beforeAll, describe, expect, test } from "bun:test";
import { MeteredBlocks } from "#blocks/index.ts";
import { systemClock } from "#base/clock.ts";
import { actionOf, S3Counts } from "#blocks/s3/counts.ts";
import { pattern } from "../../../contract/blocks.ts";
import type { Plan } from "../../../support/faulty-proxy.ts";
import { missingRadosgw, s3StartMsMax, sharedS3 } from "../../../support/radosgw.ts";
import { withWorld } from "./kit.ts";

const MiB = 2 ** 20;

test("a request is known by its method and query", () => {
  const seen = [
    actionOf("PUT"),
    actionOf("PUT", { partNumber: "1", uploadId: "u", "x-id": "UploadPart" }),
    actionOf("GET", { "x-id": "GetObject" }),
    actionOf("GET", { "list-type": "2" }),
    actionOf("GET", { uploads: "" }),
    actionOf("HEAD"),
    actionOf("POST", { delete: "" }),
    actionOf("POST", { uploads: "" }),
    actionOf("POST", { uploadId: "u" }),
    actionOf("DELETE", { uploadId: "u" }),
    actionOf("DELETE"),
    actionOf("OPTIONS"),
  ];
  expect(seen).toEqual(["PutObject", "UploadPart", "GetObject", "ListObjectsV2", "ListMultipartUploads", "HeadObject", "DeleteObjects", "CreateMultipartUpload", "CompleteMultipartUpload", "AbortMultipartUpload", "other", "other"]);
});

test("an answer is known by its status; none is unreachable", () => {
  const counts = new S3Counts();
  for (const status of [200, 206, 204, 404, 412, 429, 503, 401, 403, 400, 500, 0]) counts.count("GetObject", status, 5);
  expect(counts.actions.GetObject.results).toEqual({ ok: 3, not_found: 1, taken: 1, throttled: 2, refused: 2, error: 2, unreachable: 1 });
  expect([counts.throttled, counts.actions.GetObject.durations.count]).toEqual([2, 12]);
});

// Skipped where it needs an S3 server that is not there: the reason stands in the name.
describe.skipIf(missingRadosgw !== null)(`requests to a bucket are counted${missingRadosgw === null ? "" : `: ${missingRadosgw}`}`, () => {
  beforeAll(async () => void (await sharedS3()), s3StartMsMax);

  /** The first two requests of a method are throttled. */
  const throttledTwice = (method: string): Plan => {
    let left = 2;
    return (request) => (request.method === method && left-- > 0 ? { kind: "answer", status: 503, code: "SlowDown" } : { kind: "pass" });
  };

  test("a put that is throttled twice is one put with its bytes, three requests and two retries", () =>
    withWorld(throttledTwice("PUT"), async ({ store }) => {
      const metered = new MeteredBlocks(store, systemClock);
      const before = store.attempts.retries;
      await metered.put("k", { from: "slices", slices: [pattern(100_000, 1)] });
      const { put } = metered.counts;
      expect([put.results.ok, put.bytes, put.durations.count]).toEqual([1, 100_000, 1]);
      expect(metered.wire?.attempts).toBe(store.attempts);
      const { PutObject } = store.attempts.actions;
      expect([PutObject.results.ok, PutObject.results.throttled, PutObject.durations.count]).toEqual([1, 2, 3]);
      expect([store.attempts.retries - before, store.attempts.throttled]).toEqual([2, 2]);
    }));

  test("an object in parts is one put of so many parts", () =>
    withWorld(
      () => ({ kind: "pass" }),
      async ({ store }) => {
        const metered = new MeteredBlocks(store, systemClock);
        await metered.put("k", { from: "slices", slices: [pattern(11 * MiB, 1)] });
        expect([metered.counts.put.results.ok, metered.counts.put.bytes]).toEqual([1, 11 * MiB]);
        const { actions } = store.attempts;
        expect([actions.CreateMultipartUpload.results.ok, actions.UploadPart.results.ok, actions.CompleteMultipartUpload.results.ok, actions.PutObject.results.ok]).toEqual([1, 3, 1, 0]);
        expect(store.attempts.retries).toBe(0);
      },
      { limits: { partBytes: 5 * MiB } },
    ));

  test("what is not there, a list and a deletion count as what they are; one that fails is tried again", () =>
    withWorld(
      () => ({ kind: "pass" }),
      async ({ store, proxy }) => {
        await store.put("k", { from: "slices", slices: [pattern(10, 1)] });
        const { actions } = store.attempts;
        const listed = actions.ListObjectsV2.results.ok;
        expect(await store.size("none")).toBeNull();
        expect([actions.HeadObject.results.not_found, actions.ListObjectsV2.results.ok - listed]).toEqual([1, 1]);
        await store.get("none", 0, 1).catch(() => {});
        expect(actions.GetObject.results.not_found).toBe(1);
        let failing = 1;
        proxy.plan = () => (failing-- > 0 ? { kind: "answer", status: 500, code: "InternalError" } : { kind: "pass" });
        await store.delete(["k"]);
        expect([actions.DeleteObjects.results.error, actions.DeleteObjects.results.ok, store.attempts.retries]).toEqual([1, 1, 1]);
      },
    ));
});

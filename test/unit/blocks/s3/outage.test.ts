import { beforeAll, describe, expect, test } from "bun:test";
import { checkS3, openS3Blocks } from "#blocks/s3/index.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import { pattern } from "../../../contract/blocks.ts";
import { missingRadosgw, sharedS3, startS3 } from "../../../support/radosgw.ts";
import { after } from "../../../support/wait.ts";
import { failureOf, soon } from "./kit.ts";

const mib = 1024 * 1024;

// Skipped where it needs an S3 server that is not there: the reason stands in the name.
describe.skipIf(missingRadosgw !== null)(`the S3 server goes and comes back${missingRadosgw === null ? "" : `: ${missingRadosgw}`}`, () => {
  beforeAll(async () => void (await sharedS3()), 60_000);

  test("in the middle of puts and gets: all of them end well, with the right bytes", async () => {
    const server = await startS3();
    try {
      const options = { bucket: "outage", endpoint: server.endpoint, credentials: server.credentials, limits: { backoffMsMin: 20, backoffMsMax: 200, attemptsMax: 100, partBytes: 5 * mib } };
      await checkS3({ ...options, createBucket: true });
      const store = await openS3Blocks(options);
      const objects = Array.from({ length: 8 }, (_, i) => pattern(i === 0 ? 12 * mib : 2 * mib, i));
      for (const [i, bytes] of objects.entries()) await store.put(`before/${i}`, { from: "slices", slices: [bytes] });
      for (let round = 0; round < 3; round++) {
        const puts = objects.map((bytes, i) => store.put(`during/${round}/${i}`, { from: "slices", slices: [bytes] }));
        const gets = objects.map((bytes, i) => store.get(`before/${i}`, 0, bytes.byteLength));
        // At another moment of the transfers each time, unpredictably.
        await Promise.race([Promise.any(round === 0 ? gets : puts), after(40 * round)]);
        await server.kill();
        await after(100);
        await server.start();
        await Promise.all(puts);
        for (const [i, got] of (await Promise.all(gets)).entries()) expect(Buffer.compare(got, objects[i] as Uint8Array)).toBe(0);
      }
      for (let round = 0; round < 3; round++)
        for (const [i, bytes] of objects.entries()) expect(Buffer.compare(await store.get(`during/${round}/${i}`, 0, bytes.byteLength), bytes)).toBe(0);
      await store.close();
    } finally {
      await server.stop();
    }
  }, 60_000);

  test("a store opens while its server is away, says so, and works when it is back", async () => {
    const server = await startS3();
    try {
      const options = { bucket: "away", endpoint: server.endpoint, credentials: server.credentials, limits: { ...soon, attemptsMax: 2 } };
      await checkS3({ ...options, createBucket: true });
      await server.kill();
      const store = await openS3Blocks(options);
      await store.tidied;
      const error = await failureOf(store.get("k", 0, 1));
      expect(error).toBeInstanceOf(StoreUnavailableError);
      expect(error.message).toContain(`${server.endpoint} can't be reached`);
      await server.start();
      await store.put("k", { from: "slices", slices: [pattern(10, 1)] });
      expect(await store.get("k", 0, 10)).toEqual(pattern(10, 1));
      await store.close();
    } finally {
      await server.stop();
    }
  }, 60_000);
});

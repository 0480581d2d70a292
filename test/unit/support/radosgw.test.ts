import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { freePorts } from "../../support/ports.ts";
import { missingRadosgw, s3StartMsMax, startS3 } from "../../support/radosgw.ts";

// Skipped where it needs an S3 server that is not there: the reason stands in the name.
describe.skipIf(missingRadosgw !== null)(`an S3 server of the tests${missingRadosgw === null ? "" : `: ${missingRadosgw}`}`, () => {
  test(
    "is started anew on other ports where somebody took one that was free",
    async () => {
      const taken = await freePorts(4);
      const thief = createServer();
      await new Promise<void>((resolve) => thief.listen(taken[1], "127.0.0.1", resolve));
      const attempts: number[] = [];
      const server = await startS3({ ports: (attempt) => (attempts.push(attempt), attempt === 1 ? Promise.resolve(taken) : freePorts(4)) });
      try {
        expect(attempts).toEqual([1, 2]);
        expect((await fetch(server.endpoint)).status).toBe(200);
      } finally {
        await server.stop();
        thief.close();
      }
    },
    s3StartMsMax,
  );
});

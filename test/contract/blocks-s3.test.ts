import { beforeAll, describe, test } from "bun:test";
import { checkS3, openS3Blocks, type S3Options } from "#blocks/s3/index.ts";
import { missingRadosgw, s3StartMsMax, sharedS3 } from "../support/radosgw.ts";
import { blocksContract } from "./blocks.ts";

if (missingRadosgw === null) {
  beforeAll(async () => void (await sharedS3()), s3StartMsMax);
  const buckets = new Map<string, string>();
  const opens = (more: Partial<S3Options>) => async (directory: string) => {
    const server = await sharedS3();
    const bucket = buckets.get(directory) ?? server.bucketName();
    buckets.set(directory, bucket);
    // A bucket is a host below the name the server knows itself by.
    const endpoint = more.pathStyle === false ? server.endpoint.replace("127.0.0.1", "localhost") : server.endpoint;
    const options = { bucket, endpoint, credentials: server.credentials, ...more };
    await checkS3({ ...options, createBucket: true });
    return await openS3Blocks(options);
  };
  blocksContract({ name: "S3", open: opens({}), keeps: true, readsNow: false });
  blocksContract({ name: "S3, under a prefix", open: opens({ prefix: "some/where" }), keeps: true, readsNow: false });
  blocksContract({ name: "S3, the bucket in the host name", open: opens({ pathStyle: false }), keeps: true, readsNow: false });
} else {
  // Skipped without the S3 server: the reason stands in the name.
  describe.skip(`block store, S3: ${missingRadosgw}`, () => test("all of it", () => {}));
}

import { S3Client } from "bun";
import { type FaultyProxy, faultyProxy } from "./faulty-proxy.ts";
import type { S3Server } from "./radosgw.ts";

/**
 * A way to an S3 server as one that doesn't know conditional writes has it: a put with If-None-Match takes effect whether or not the key is taken.
 * The condition is part of what is signed, so that the object goes first instead of the header.
 */
export async function unconditional(s3: S3Server): Promise<FaultyProxy> {
  return await faultyProxy(s3.port, ({ method, target, headers }) => {
    if (method !== "PUT" || !/\r\nif-none-match:/i.test(headers)) return { kind: "pass" };
    const [, bucket = "", key = ""] = /^\/([^/]+)\/([^?]+)/.exec(target) ?? [];
    const client = new S3Client({ ...s3.credentials, bucket, endpoint: s3.endpoint });
    return { kind: "first", run: () => client.delete(decodeURIComponent(key)) };
  });
}

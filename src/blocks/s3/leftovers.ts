import type * as Sdk from "@aws-sdk/client-s3";
import { isKey } from "../keys.ts";
import type { S3Client } from "./client.ts";
import { codeOf, isTransient } from "./errors.ts";
import type { S3Settings } from "./options.ts";
import { withRetries } from "./retry.ts";

/**
 * Aborts uploads in parts that nobody will finish: under the prefix, of a key that can be ours, and begun long ago by the server's
 * own clock. Returns how many.
 */
export async function abortLeftovers(client: S3Client, settings: S3Settings): Promise<number> {
  const { sdk } = client;
  const { bucket, prefix, leftoverAgeMsMin } = settings;
  let aborted = 0;
  let after: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (;;) {
    const page: Sdk.ListMultipartUploadsCommandOutput = await withRetries(settings, isTransient, () =>
      client.send<Sdk.ListMultipartUploadsCommandOutput>(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...after })),
    );
    const before = client.serverMs === null ? Number.NEGATIVE_INFINITY : client.serverMs - leftoverAgeMsMin;
    for (const { Key: key, UploadId: id, Initiated: begun } of page.Uploads ?? []) {
      if (key === undefined || id === undefined || begun === undefined || begun.getTime() > before) continue;
      if (!key.startsWith(prefix) || !isKey(key.slice(prefix.length))) continue;
      try {
        await withRetries(settings, isTransient, () => client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: id })));
        aborted++;
      } catch (error) {
        if (codeOf(error) !== "NoSuchUpload") throw error;
      }
    }
    if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return aborted;
    after = { KeyMarker: page.NextKeyMarker, ...(page.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: page.NextUploadIdMarker }) };
  }
}

/**
 * Objects in a bucket of S3 or of anything that speaks it.
 *
 * Invariants
 * - A key is never overwritten: a put asks for a free key; one that is taken by the very same bytes is our own put whose answer was
 *   lost, which the object's metadata says, and anything else is refused.
 * - What a request sends is signed with its SHA-256, so that the server stores these bytes or none.
 * - A read is the asked bytes or an error; one that was cut goes on where it stopped.
 * - Errors are of three kinds: StoreUnavailableError heals by waiting, StoreRefusedError says what to change, all others are about the
 *   one request. No error holds a secret.
 * - Opening asks nothing of the server, so that a share whose bucket is away still starts.
 */
import { loadSdk, S3Client } from "./client.ts";
import { type S3Options, settingsOf } from "./options.ts";
import { type S3Blocks, S3Store } from "./store.ts";

export { type S3Action, s3Actions, type S3Counts, type S3Result, s3Results } from "./counts.ts";
export { checkS3, type S3Report } from "./check.ts";
export { defaultLimits, type S3Credentials, type S3Limits, type S3Options } from "./options.ts";
export type { S3Blocks } from "./store.ts";

/** Throws StoreRefusedError for options that can't work; whether the bucket answers is seen by `checkS3`. */
export async function openS3Blocks(options: S3Options): Promise<S3Blocks> {
  const settings = settingsOf(options);
  return new S3Store(new S3Client(await loadSdk(), settings), settings);
}

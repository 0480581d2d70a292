import type * as Sdk from "@aws-sdk/client-s3";
import { StoreFault, StoreRefusedError } from "#model/block-store.ts";
import { createHash } from "node:crypto";
import { loadSdk, S3Client } from "./client.ts";
import { codeOf, portError, statusOf, whereOf } from "./errors.ts";
import { Connection } from "./http/connection.ts";
import { Failure, TransportError } from "./http/message.ts";
import { RangeSink } from "./range-sink.ts";
import { type S3Options, type S3Settings, settingsOf } from "./options.ts";

export interface S3Report {
  /** The server refuses to overwrite a key when asked to. Without, two servers that share a prefix by mistake could do harm. Null: not tried. */
  readonly conditionalPut: boolean | null;
  readonly bucketCreated: boolean;
}

/** A server whose clock differs more refuses every signature. */
const clockSkewMsMax = 15 * 60 * 1000;
const probeText = "DittoFS was here to see whether it may write; it can be deleted.";

/**
 * Does once what a share will do: lists, puts, refuses to overwrite, reads a range, deletes; with `writing: false` it only lists, which
 * says whether key, secret, bucket and clock are right and costs one request; with `deleting: false` it doesn't mind that the key may not delete. Throws StoreRefusedError,
 * StoreUnavailableError or StoreFullError with what is wrong and what to do.
 */
export async function checkS3(options: S3Options & { readonly createBucket?: boolean; readonly writing?: boolean; readonly deleting?: boolean }): Promise<S3Report> {
  const settings = settingsOf(options);
  const client = new S3Client(await loadSdk(), settings);
  try {
    const bucketCreated = await listing(client, settings, options.createBucket ?? false);
    const conditionalPut = options.writing === false ? null : await writing(client, settings, options.deleting ?? true);
    return { conditionalPut, bucketCreated };
  } catch (error) {
    throw clockError(client, settings) ?? (await schemeError(error, settings)) ?? portError(error, settings, "checking the store");
  } finally {
    client.close();
  }
}

async function listing(client: S3Client, settings: S3Settings, createBucket: boolean): Promise<boolean> {
  const { bucket, prefix } = settings;
  const list = () => client.send<Sdk.ListObjectsV2CommandOutput>(new client.sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 }));
  let created = false;
  const page = await list().catch(async (error: unknown) => {
    if (!createBucket || codeOf(error) !== "NoSuchBucket") throw error;
    await makeBucket(client, settings);
    created = true;
    return await list();
  });
  if (page.Name === undefined) throw new StoreRefusedError(StoreFault.endpoint, `what answers at ${whereOf(settings)} does not speak S3; check the endpoint's host and port`);
  return created;
}

async function makeBucket(client: S3Client, { bucket, region }: S3Settings): Promise<void> {
  // AWS wants the region said everywhere but in its first.
  const place = region === "us-east-1" ? {} : { CreateBucketConfiguration: { LocationConstraint: region as Sdk.BucketLocationConstraint } };
  try {
    await client.send(new client.sdk.CreateBucketCommand({ Bucket: bucket, ...place }));
  } catch (error) {
    if (codeOf(error) !== "BucketAlreadyOwnedByYou") throw error;
  }
}

/** Puts a probe, tries to overwrite it, reads and deletes it; whether overwriting was refused. */
async function writing(client: S3Client, settings: S3Settings, deleting: boolean): Promise<boolean> {
  const { sdk } = client;
  const { bucket, prefix, random } = settings;
  const bytes = Buffer.from(probeText);
  const target = { Bucket: bucket, Key: `${prefix}.dittofs-probe-${Buffer.from(random.bytes(8)).toString("hex")}` };
  const payload = { sha256: createHash("sha256").update(bytes).digest("hex") };
  const put = (condition: { IfNoneMatch?: string }) => client.send(new sdk.PutObjectCommand({ ...target, ...condition, Body: bytes }), payload);
  let conditional = true;
  const unknown = (error: unknown) => codeOf(error) === "NotImplemented" || statusOf(error) === 501;
  await put({ IfNoneMatch: "*" }).catch(async (error: unknown) => {
    if (!unknown(error)) {
      // Only its answer may have been lost.
      if (statusOf(error) === 0 || statusOf(error) >= 500) await removed(client, bucket, target.Key).catch(() => {});
      throw error;
    }
    conditional = false;
    await put({});
  });
  try {
    if (conditional) {
      conditional = await put({ IfNoneMatch: "*" }).then(
        () => false,
        (error: unknown) => {
          if (statusOf(error) !== 412) throw error;
          return true;
        },
      );
    }
    const read = new Uint8Array(10);
    const sink = new RangeSink(target.Key, 5, read);
    await client.send(new sdk.GetObjectCommand({ ...target, Range: sink.range }), { sink });
    if (!sink.complete || !bytes.subarray(5, 15).equals(read)) throw new StoreRefusedError(StoreFault.endpoint, `${whereOf(settings)} gave back other bytes than it was given`);
  } finally {
    await removed(client, bucket, target.Key).catch((error: unknown) => {
      if (deleting) throw error;
    });
  }
  return conditional;
}

async function removed(client: S3Client, bucket: string, key: string): Promise<void> {
  const input = { Bucket: bucket, Delete: { Quiet: true, Objects: [{ Key: key }] } };
  const { Errors: errors = [] } = await client.send<Sdk.DeleteObjectsCommandOutput>(new client.sdk.DeleteObjectsCommand(input));
  const [first] = errors;
  if (first !== undefined) throw Object.assign(new Error(`deleting the probe ${key}: ${first.Message ?? ""}`), { name: first.Code ?? "", $metadata: { httpStatusCode: 403 } });
}

/** A port that has TLS ends a plain request, or says that it is none: nothing of that tells it from one that is broken, so it is asked. */
async function schemeError(error: unknown, { endpoint, clock, connectTimeoutMs, stallTimeoutMs }: S3Settings): Promise<StoreRefusedError | null> {
  if (endpoint === null || !endpoint.startsWith("http:")) return null;
  const unspoken = error instanceof TransportError ? error.code !== Failure.connectTimeout && error.code !== "ECONNREFUSED" : statusOf(error) === 400 || statusOf(error) === 0;
  if (!unspoken || error instanceof StoreRefusedError) return null;
  const { hostname, port } = new URL(endpoint);
  const host = hostname.replace(/^\[|\]$/g, "");
  try {
    (await Connection.open({ host, port: port === "" ? 80 : Number(port), tls: { ca: null, insecure: true }, connectTimeoutMs, stallTimeoutMs, clock })).close();
  } catch {
    return null;
  }
  return new StoreRefusedError(StoreFault.endpoint, `checking the store: what answers at ${endpoint} speaks TLS; write https:// instead of http://`, { cause: error });
}

/** The clock is named even where something else failed first because of it. */
function clockError(client: S3Client, { clock, clockOffsetMs }: S3Settings): StoreRefusedError | null {
  if (client.serverMs === null) return null;
  const now = clock.now();
  const skewMs = now.sec * 1000 + now.nsec / 1e6 + clockOffsetMs - client.serverMs;
  if (Math.abs(skewMs) <= clockSkewMsMax) return null;
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  return new StoreRefusedError(StoreFault.clock, `the clock of this machine is ${minutes} minutes ${skewMs > 0 ? "ahead of" : "behind"} the server's; set it (by NTP)`);
}

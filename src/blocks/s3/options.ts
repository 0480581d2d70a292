import fs from "node:fs";
import { assert } from "#base/assert.ts";
import { type Clock, systemClock } from "#base/clock.ts";
import { type Random, systemRandom } from "#base/random.ts";
import { type Logger, silentLogger } from "#telemetry/logger.ts";
import { StoreFault, StoreRefusedError } from "#model/block-store.ts";
import { S3Counts } from "./counts.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Options {
  readonly bucket: string;
  /** "us-east-1" where absent, which is what compatible servers expect. */
  readonly region?: string;
  /** "http://host:port" or "https://…" of a compatible server; absent: AWS, by region. */
  readonly endpoint?: string;
  /** Stands before each key, with "/" between; several stores can so share a bucket. */
  readonly prefix?: string;
  /** The bucket in the path instead of the host name; true where absent and an endpoint is given. */
  readonly pathStyle?: boolean;
  /** Absent: what the SDK finds in environment, profile and IAM role, renewed by it before it expires. */
  readonly credentials?: S3Credentials;
  readonly tls?: {
    /** Certificates, in PEM, of the authorities to trust instead of the well-known ones. */
    readonly caFile?: string;
    /** Trust whoever answers. */
    readonly insecure?: boolean;
  };
  readonly limits?: Partial<S3Limits>;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** How far the clock that requests are signed by is off, for tests. */
  readonly clockOffsetMs?: number;
}

/** Each bound is checked by `checkLimits`. */
export interface S3Limits {
  /** Connections at a time. */
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  /** Longest time in which nothing moves while a request is on its way. */
  readonly stallTimeoutMs: number;
  /** Longest time in which a read gets no byte, or a few of many, over all its tries: who waits for it has other clients to answer. */
  readonly readMsMax: number;
  /** Tries of one request in all, while the store is unavailable. */
  readonly attemptsMax: number;
  /** The first wait between two tries is random up to this; each further one up to twice as long, until `backoffMsMax`. */
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** Objects above this are uploaded in parts of this size. S3 takes 5 MiB to 5 GiB, and 10,000 parts. */
  readonly partBytes: number;
  /** Uploads at a time: where the number starts, and the bounds it moves in by what the store can take. */
  readonly uploadsMin: number;
  readonly uploadsStart: number;
  readonly uploadsMax: number;
  /** Unfinished multipart uploads under the prefix older than this are nobody's. */
  readonly leftoverAgeMsMin: number;
}

export const defaultLimits: S3Limits = {
  connectionsMax: 200,
  connectTimeoutMs: 5_000,
  stallTimeoutMs: 20_000,
  readMsMax: 10_000,
  attemptsMax: 6,
  backoffMsMin: 50,
  backoffMsMax: 5_000,
  partBytes: 32 * 1024 * 1024,
  uploadsMin: 2,
  uploadsStart: 16,
  uploadsMax: 64,
  leftoverAgeMsMin: 24 * 3600 * 1000,
};

/** All of S3Options, with nothing left open. */
export interface S3Settings extends S3Limits {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string | null;
  /** "" or ending in "/". */
  readonly prefix: string;
  readonly pathStyle: boolean;
  readonly credentials: S3Credentials | null;
  readonly ca: string | null;
  readonly insecure: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly clockOffsetMs: number;
  readonly counts: S3Counts;
}

const prefixShape = /^[a-zA-Z0-9._-]+(?:\/[a-zA-Z0-9._-]+)*$/;
const prefixLengthMax = 200;
const bucketShape = /^[a-zA-Z0-9][a-zA-Z0-9._-]{1,253}[a-zA-Z0-9]$/;

/** Throws StoreRefusedError for what can't work. */
export function settingsOf(options: S3Options): S3Settings {
  const limits: S3Limits = { ...defaultLimits, ...options.limits };
  checkLimits(limits);
  if (!bucketShape.test(options.bucket)) throw new StoreRefusedError(StoreFault.bucket, `"${options.bucket}" can't be the name of a bucket: that has 3 to 255 letters, digits and ._- (at AWS 3 to 63, no capitals and no _), the first and last of them no ._-`);
  const prefix = (options.prefix ?? "").replace(/\/+$/, "");
  if (prefix !== "" && (!prefixShape.test(prefix) || prefix.length > prefixLengthMax || prefix.split("/").some((part) => part === "." || part === "..")))
    throw new StoreRefusedError(StoreFault.bucket, `the prefix "${prefix}" must be letters, digits and ._- with single slashes between, at most ${prefixLengthMax} long`);
  const endpoint = options.endpoint ?? null;
  if (endpoint !== null) checkEndpoint(endpoint);
  return {
    ...limits,
    bucket: options.bucket,
    region: options.region ?? "us-east-1",
    endpoint,
    prefix: prefix === "" ? "" : `${prefix}/`,
    pathStyle: options.pathStyle ?? endpoint !== null,
    credentials: options.credentials ?? null,
    ca: options.tls?.caFile === undefined ? null : readCa(options.tls.caFile),
    insecure: options.tls?.insecure ?? false,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
    clockOffsetMs: options.clockOffsetMs ?? 0,
    counts: new S3Counts(),
  };
}

/** What may hold a key is not repeated: errors are logged, and shown to others. */
function checkEndpoint(endpoint: string): void {
  // Anywhere: a key with a / in it ends the host. A path that has one is written with %40.
  if (endpoint.includes("@")) throw new StoreRefusedError(StoreFault.endpoint, "the endpoint holds a user name or password: give the keys as keys");
  if (endpoint.includes("?") || endpoint.includes("#")) throw new StoreRefusedError(StoreFault.endpoint, "the endpoint has something after the path: leave out what begins with ? or #");
  const url = URL.parse(endpoint);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) throw new StoreRefusedError(StoreFault.endpoint, `the endpoint "${endpoint}" is not of the form https://host or http://host:port`);
}

function readCa(path: string): string {
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    throw new StoreRefusedError(StoreFault.certificate, `the file of trusted certificates ${path} can't be read: ${(error as Error).message}`);
  }
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new StoreRefusedError(StoreFault.certificate, `${path} holds no certificate in PEM form`);
  return text;
}

function checkLimits(limits: S3Limits): void {
  for (const [name, value] of Object.entries(limits)) assert(Number.isFinite(value) && value > 0, `${name} must be more than zero`);
  assert(limits.connectionsMax <= 10_000, "connectionsMax is at most 10,000");
  assert(limits.partBytes >= 5 * 1024 * 1024 && limits.partBytes <= 1024 * 1024 * 1024, "partBytes is 5 MiB to 1 GiB");
  assert(limits.backoffMsMin <= limits.backoffMsMax, "backoffMsMin is at most backoffMsMax");
  assert(limits.uploadsMin <= limits.uploadsStart && limits.uploadsStart <= limits.uploadsMax, "uploadsMin, uploadsStart and uploadsMax rise");
}

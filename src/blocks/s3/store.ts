import type { Timer } from "#base/clock.ts";
import type * as Sdk from "@aws-sdk/client-s3";
import { type BlockStore, type Came, MissingObjectError, type ObjectSource, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { checkKey, checkPrefix, isKey } from "../keys.ts";
import type { S3Client } from "./client.ts";
import type { S3Counts } from "./counts.ts";
import { codeOf, isTransient, portError, statusOf } from "./errors.ts";
import { Failure, TransportError } from "./http/message.ts";
import { abortLeftovers } from "./leftovers.ts";
import type { S3Settings } from "./options.ts";
import { RangeSink } from "./range-sink.ts";
import { withRetries } from "./retry.ts";
import { UploadLimit } from "./upload-limit.ts";
import { Writer } from "./writing.ts";

/** Keys of one request to delete: S3's bound. */
const deleteKeysMax = 1000;
/** Bytes that must have come for a cut answer to count as progress. */
const progressBytesMin = 64 * 1024;
/** Pause between looks for uploads that nobody will finish. */
export const leftoversEveryMs = 24 * 3600 * 1000;
/** A read that gets less in `readMsMax` stands still: on another connection it may not. */
const trickleBytesMin = 16 * 1024;

export interface S3Blocks extends BlockStore {
  /** Uploads on their way, and how many may be. */
  readonly uploads: { readonly busy: number; readonly limit: number };
  /** What was asked of the bucket, attempt by attempt. */
  readonly attempts: S3Counts;
  /** Resolves when the look for uploads that an earlier run left unfinished is over, whatever it found. */
  readonly tidied: Promise<void>;
}

export class S3Store implements S3Blocks {
  readonly uploads: UploadLimit;
  readonly attempts: S3Counts;
  readonly tidied: Promise<void>;
  #tidying: Promise<void>;
  #tidyTimer: Timer | null = null;
  readonly #client: S3Client;
  readonly #settings: S3Settings;
  readonly #writer: Writer;
  readonly #arriving = new Set<string>();
  #closed = false;

  constructor(client: S3Client, settings: S3Settings) {
    this.#client = client;
    this.#settings = settings;
    this.uploads = new UploadLimit(settings);
    this.attempts = settings.counts;
    this.#writer = new Writer(client, settings, this.uploads);
    this.tidied = this.#tidying = this.#tidy();
  }

  /** In the background: a store opens, too, while its bucket is away. Once a day, as a server may run for years. */
  async #tidy(): Promise<void> {
    const { logger, bucket, clock } = this.#settings;
    try {
      const aborted = await abortLeftovers(this.#client, this.#settings);
      if (aborted > 0) logger.info({ bucket, aborted }, "uploads that were begun long ago and left unfinished were aborted");
    } catch (error) {
      if (!this.#closed) logger.warn({ bucket, error: this.#portError(error, "looking for unfinished uploads").message }, "unfinished uploads could not be looked for; tomorrow, or at the next start, they are");
    }
    if (this.#closed) return;
    this.#tidyTimer = clock.after(leftoversEveryMs, () => {
      this.#tidying = this.#tidy();
    });
  }

  async put(key: string, source: ObjectSource): Promise<void> {
    checkKey(key);
    if (this.#arriving.has(key)) throw new Error(`the block store already has an object ${key}`);
    this.#arriving.add(key);
    try {
      await this.#writer.put(this.#full(key), source);
    } catch (error) {
      throw this.#portError(error, `storing object ${key}`);
    } finally {
      this.#arriving.delete(key);
    }
  }

  async get(key: string, offset: number, length: number, target?: Uint8Array, came?: Came): Promise<Uint8Array> {
    checkKey(key);
    const into = target ?? new Uint8Array(length);
    if (length === 0) return into;
    const sink = new RangeSink(key, offset, into.byteLength === length ? into : into.subarray(0, length), came);
    try {
      await this.#bounded(sink, this.#fill(key, sink));
      return into;
    } catch (error) {
      if (codeOf(error) === "NoSuchKey") throw new MissingObjectError(key);
      if (statusOf(error) === 416) throw new RangeError(`object ${key} ends at or before ${offset}, before ${offset + length}`);
      throw passing(this.#portError(error, `reading object ${key}`));
    }
  }

  /** Asks until the sink has all its bytes. */
  async #fill(key: string, sink: RangeSink): Promise<void> {
    const { sdk } = this.#client;
    let seen = 0;
    const progressed = () => {
      const more = sink.done - seen >= progressBytesMin;
      if (more) seen = sink.done;
      return more;
    };
    const attempt = async () => {
      if (sink.complete) return;
      await this.#client.send(new sdk.GetObjectCommand({ Bucket: this.#settings.bucket, Key: this.#full(key), Range: sink.range }), { sink });
      if (!sink.complete) throw new TransportError(Failure.cut, "the answer ended before the range did");
    };
    await withRetries(this.#settings, isTransient, attempt, progressed);
  }

  /** Gives up on a read that gets next to nothing for too long; its target is the caller's again then. */
  #bounded(sink: RangeSink, filled: Promise<void>): Promise<void> {
    const { clock, readMsMax } = this.#settings;
    return new Promise((resolve, reject) => {
      let seen = sink.done;
      const watch = (): Timer =>
        clock.after(readMsMax, () => {
          const came = sink.done - seen;
          if (came >= trickleBytesMin) {
            seen = sink.done;
            timer = watch();
            return;
          }
          sink.cancel();
          reject(new TransportError(Failure.stalled, `${came <= 0 ? "no byte" : `no more than ${came} bytes`} within ${readMsMax} ms`));
        });
      let timer = watch();
      filled.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  async size(key: string): Promise<number | null> {
    checkKey(key);
    const { sdk } = this.#client;
    const { bucket } = this.#settings;
    try {
      const head = await this.#retrying(() =>
        this.#client.send<Sdk.HeadObjectCommandOutput>(new sdk.HeadObjectCommand({ Bucket: bucket, Key: this.#full(key) })),
      );
      if (head.ContentLength === undefined) throw new Error(`the server does not say how long object ${key} is`);
      return head.ContentLength;
    } catch (error) {
      if (statusOf(error) !== 404) throw this.#portError(error, `looking at object ${key}`);
    }
    // An answer to HEAD has no body to say what is missing: the object, or the bucket. A list of one says it.
    await this.#page(() => new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: this.#full(key), MaxKeys: 1 }), key);
    return null;
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    for (let at = 0; at < keys.length; at += deleteKeysMax) {
      const some = keys.slice(at, at + deleteKeysMax);
      try {
        await this.#deleteSome(some);
      } catch (error) {
        throw this.#portError(error, `deleting ${some.length} objects, the first ${some[0]}`);
      }
    }
  }

  /** Deletes up to a thousand; what the server could not delete just now is asked for again. */
  async #deleteSome(keys: readonly string[]): Promise<void> {
    const { sdk } = this.#client;
    let left = keys.map((key) => this.#full(key));
    await this.#retrying(async () => {
      const input = { Bucket: this.#settings.bucket, Delete: { Quiet: true, Objects: left.map((Key) => ({ Key })) } };
      const { Errors: errors = [] } = await this.#client.send<Sdk.DeleteObjectsCommandOutput>(new sdk.DeleteObjectsCommand(input));
      const failed = errors.filter(({ Code: code }) => code !== "NoSuchKey");
      if (failed.length === 0) return;
      left = failed.flatMap(({ Key: key }) => (key === undefined ? [] : [key]));
      const first = failed[0];
      const message = `${failed.length} of ${keys.length} objects were not deleted, the first ${first?.Key}: ${first?.Message ?? ""}`;
      throw Object.assign(new Error(message), { name: first?.Code ?? "InternalError", $metadata: { httpStatusCode: first?.Code === "AccessDenied" ? 403 : 500 } });
    });
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    checkPrefix(prefix);
    const { sdk } = this.#client;
    const skip = this.#settings.prefix.length;
    let token: string | undefined;
    do {
      const page = await this.#page(
        () => new sdk.ListObjectsV2Command({ Bucket: this.#settings.bucket, Prefix: this.#full(prefix), ...(token === undefined ? {} : { ContinuationToken: token }) }),
        prefix,
      );
      for (const { Key: full, Size: size } of page.Contents ?? []) {
        const key = full?.slice(skip);
        // Somebody else's object is none of ours.
        if (key !== undefined && size !== undefined && key.startsWith(prefix) && isKey(key)) yield { key, size };
      }
      if (page.IsTruncated === true && page.NextContinuationToken === undefined) throw new Error(`the list of objects under "${prefix}" was cut by the server`);
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async #page(command: () => object, prefix: string): Promise<Sdk.ListObjectsV2CommandOutput> {
    try {
      const page = await this.#retrying(() => this.#client.send<Sdk.ListObjectsV2CommandOutput>(command()));
      if (page.Name === undefined) throw new Error("the server's list of objects names no bucket: it speaks no S3");
      return page;
    } catch (error) {
      throw this.#portError(error, `listing objects under "${prefix}"`);
    }
  }

  /** A bucket has no bound of its own. */
  async space(): Promise<null> {
    return null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tidyTimer?.cancel();
    this.#client.close();
    await this.#tidying;
  }

  #full(key: string): string {
    return this.#settings.prefix + key;
  }

  #retrying<T>(attempt: () => Promise<T>): Promise<T> {
    return withRetries(this.#settings, isTransient, attempt);
  }

  #portError(error: unknown, doing: string): Error {
    return portError(error, this.#settings, doing);
  }
}

/** Whatever else an answer to a read says, as that of a proxy without its server, it says nothing of the object: asked again, it may be there. */
function passing(error: Error): Error {
  if (error instanceof RangeError || error instanceof StoreRefusedError || error instanceof StoreUnavailableError) return error;
  return new StoreUnavailableError(error.message, { cause: error });
}

import fs from "node:fs";
import type * as Sdk from "@aws-sdk/client-s3";
import { type ObjectSource, StoreFault, StoreRefusedError } from "#model/block-store.ts";
import { type Part, type PartedSource, partSource } from "./bodies.ts";
import type { S3Client } from "./client.ts";
import { codeOf, isThrottle, isTransient, statusOf, whereOf } from "./errors.ts";
import { Failure, TransportError } from "./http/message.ts";
import type { S3Settings } from "./options.ts";
import { withRetries } from "./retry.ts";
import { Lanes } from "./lanes.ts";
import type { UploadLimit } from "./upload-limit.ts";

/** What an object's metadata says of its bytes, so that whoever finds its key taken knows whether by the same bytes. */
const tokenName = "dittofs-content";

/** Objects hashed at a time: the first is on its way while the next is hashed, and what a turn of the event loop hashes is bounded. */
const hashingMax = 1;

/** Only with a key that is free: RFC 9110 section 13.1.2. */
const ifNew = { IfNoneMatch: "*" } as const;

interface Upload {
  readonly key: string;
  readonly source: PartedSource;
}

/** Stores new objects, whole or in parts. Keys are those of the bucket, with the prefix. */
export class Writer {
  readonly #client: S3Client;
  readonly #settings: S3Settings;
  readonly #limit: UploadLimit;
  /** The server knows conditional puts; false once it said it doesn't, and then a look before each put has to do. */
  #conditional = true;
  readonly #hashing = new Lanes(hashingMax);

  constructor(client: S3Client, settings: S3Settings, limit: UploadLimit) {
    this.#client = client;
    this.#settings = settings;
    this.#limit = limit;
  }

  /** Throws what the server or the connection said; an Error where the key holds other bytes. */
  async put(key: string, source: ObjectSource): Promise<void> {
    const parted = await this.#hashing.run(() => partSource(source, this.#settings.partBytes, this.#settings.clock));
    try {
      const upload = { key, source: parted };
      if (parted.parts.length === 1) await this.#putWhole(upload, parted.parts[0] as Part);
      else await this.#putParts(upload);
    } finally {
      await parted.close();
    }
    if (source.from === "file") await fs.promises.unlink(source.path);
  }

  #retrying<T>(attempt: () => Promise<T>): Promise<T> {
    return withRetries(this.#settings, isTransient, attempt);
  }

  /** One attempt of an upload, when its turn comes. */
  #uploading<T>(bytes: number, attempt: () => Promise<T>): Promise<T> {
    return this.#limit.run(bytes, isOverload, attempt);
  }

  async #putWhole(upload: Upload, part: Part): Promise<void> {
    const { sdk } = this.#client;
    const attempt = async () => {
      if (!this.#conditional && (await this.#isThere(upload))) return;
      const command = new sdk.PutObjectCommand({
        Bucket: this.#settings.bucket,
        Key: upload.key,
        ContentLength: part.body.bytes,
        ContentType: "application/octet-stream",
        Metadata: { [tokenName]: upload.source.token },
        ...(this.#conditional ? ifNew : {}),
      });
      this.#mustBeTaken(await this.#client.send<Sdk.PutObjectCommandOutput>(command, { body: part.body, sha256: part.sha256 }));
    };
    await this.#retrying(() => this.#settled(upload, () => this.#uploading(part.body.bytes, attempt)));
  }

  /**
   * Runs an attempt that makes the object. Where the key turns out to be taken, an earlier attempt whose answer was lost may have
   * done it: the object says which bytes it holds.
   */
  async #settled(upload: Upload, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (this.#conditional && (codeOf(error) === "NotImplemented" || statusOf(error) === 501)) {
        this.#conditional = false;
        return await this.#settled(upload, attempt);
      }
      const taken = codeOf(error) === "PreconditionFailed" || statusOf(error) === 412;
      const completed = codeOf(error) === "NoSuchUpload";
      if (!(taken || completed) || !(await this.#retrying(() => this.#isThere(upload)))) throw error;
    }
  }

  /** Whether the object is there with these bytes; throws where there is another. */
  async #isThere({ key, source }: Upload): Promise<boolean> {
    const { sdk } = this.#client;
    try {
      const head = await this.#client.send<Sdk.HeadObjectCommandOutput>(new sdk.HeadObjectCommand({ Bucket: this.#settings.bucket, Key: key }));
      if (head.Metadata?.[tokenName] === source.token && head.ContentLength === source.bytes) return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw error;
    }
    throw new Error(`the block store already has an object ${key.slice(this.#settings.prefix.length)}`);
  }

  async #putParts(upload: Upload): Promise<void> {
    const { sdk } = this.#client;
    const target = { Bucket: this.#settings.bucket, Key: upload.key };
    // Not every server checks the condition when the parts are put together.
    if (await this.#retrying(() => this.#isThere(upload))) return;
    const made = await this.#retrying(() =>
      this.#client.send<Sdk.CreateMultipartUploadCommandOutput>(
        new sdk.CreateMultipartUploadCommand({ ...target, ContentType: "application/octet-stream", Metadata: { [tokenName]: upload.source.token } }),
      ),
    );
    const id = made.UploadId;
    if (id === undefined) throw new TransportError(Failure.malformed, "the server began an upload in parts and gave it no name");
    try {
      const parts = await allOrFirstError(upload.source.parts.map((part, index) => () => this.#putPart(upload.key, id, index + 1, part)));
      await this.#retrying(() => this.#settled(upload, () => this.#complete(upload, id, parts)));
    } catch (error) {
      await this.#abort(upload.key, id);
      throw error;
    }
  }

  async #putPart(key: string, id: string, number: number, part: Part): Promise<Sdk.CompletedPart> {
    const { sdk } = this.#client;
    const bytes = part.body.bytes;
    const input = { Bucket: this.#settings.bucket, Key: key, UploadId: id, PartNumber: number, ContentLength: bytes };
    const done = await this.#retrying(() =>
      this.#uploading(bytes, () =>
        this.#client.send<Sdk.UploadPartCommandOutput>(new sdk.UploadPartCommand(input), { body: part.body, sha256: part.sha256 }),
      ),
    );
    return { PartNumber: number, ETag: this.#mustBeTaken(done) };
  }

  async #complete(upload: Upload, id: string, parts: Sdk.CompletedPart[]): Promise<void> {
    const { sdk } = this.#client;
    if (await this.#isThere(upload)) return;
    const command = new sdk.CompleteMultipartUploadCommand({
      Bucket: this.#settings.bucket,
      Key: upload.key,
      UploadId: id,
      MultipartUpload: { Parts: parts },
      ...(this.#conditional ? ifNew : {}),
    });
    this.#mustBeTaken(await this.#client.send<Sdk.CompleteMultipartUploadCommandOutput>(command));
  }

  /** Every S3 server names what it took. Whoever says that all is well and doesn't, a proxy without its server, has taken nothing. */
  #mustBeTaken({ ETag: tag }: { readonly ETag?: string | undefined }): string {
    if (tag !== undefined) return tag;
    throw new StoreRefusedError(StoreFault.endpoint, `what answers at ${whereOf(this.#settings)} takes objects without naming them, so that it does not speak S3; check the endpoint's host and port`);
  }

  /** What can't be aborted now is found by its age, at a later start. */
  async #abort(key: string, id: string): Promise<void> {
    const { sdk } = this.#client;
    const command = () => new sdk.AbortMultipartUploadCommand({ Bucket: this.#settings.bucket, Key: key, UploadId: id });
    try {
      await this.#retrying(() => this.#client.send(command()));
    } catch (error) {
      if (codeOf(error) !== "NoSuchUpload") this.#settings.logger.warn({ key, error: String(error) }, "an unfinished upload could not be aborted; a later start will");
    }
  }
}

/** The store has more to do than it can: it says so, or doesn't get round to it. */
function isOverload(error: unknown): boolean {
  return isThrottle(error) || (error instanceof TransportError && error.code === Failure.stalled);
}

/** Runs all; throws the first error only when none runs any more. */
async function allOrFirstError<T>(runs: readonly (() => Promise<T>)[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(runs.map((run) => run()));
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

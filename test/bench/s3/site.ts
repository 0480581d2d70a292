import { Admin, request } from "../../support/admin.ts";
import { type S3Server, startS3 } from "../../support/radosgw.ts";
import { type Sample, load } from "../measure.ts";
import { type Server, startDittofs } from "../servers.ts";
import { Proxy, Raw } from "./children.ts";

/** Added to each request. */
export const latencyMs = 20;
export const packBytes = 16 * 2 ** 20;
/** Raw requests at a time: as many uploads as a share begins with. */
export const parallel = 16;
export const cloud = "/cloud";
/** What was written over goes from the S3 server, whose objects are in memory, before a round is over. */
const environment = { DITTOFS_GC_GRACE: "5s", DITTOFS_GC_INTERVAL: "20s" } as const;
/** Room for what the lines write, without which the S3 server's memory is full in the second round. */
const s3BytesMax = 12 * 2 ** 30;

/** An S3 server behind the latency, and a client of it that measures what it gives. */
export class Site {
  readonly s3: S3Server;
  readonly proxy: Proxy;
  readonly bucket: string;
  readonly raw: Raw;

  private constructor(s3: S3Server, proxy: Proxy, bucket: string, raw: Raw) {
    this.s3 = s3;
    this.proxy = proxy;
    this.bucket = bucket;
    this.raw = raw;
  }

  static async start(): Promise<Site> {
    const s3 = await startS3({ bytesMax: s3BytesMax });
    const proxy = new Proxy(s3.port, latencyMs);
    const bucket = s3.bucketName();
    return new Site(s3, proxy, bucket, new Raw({ endpoint: proxy.endpoint, bucket, ...s3.credentials }));
  }

  /** What a block store in a bucket of this server is configured with. */
  storeConfig(bucket = this.bucket, endpoint = this.proxy.endpoint): object {
    const { accessKeyId, secretAccessKey } = this.s3.credentials;
    return { bucket, endpoint, access_key: accessKeyId, secret_key: secretAccessKey, create_bucket: true };
  }

  async stop(): Promise<void> {
    await this.raw.stop();
    await this.proxy.stop();
    await this.s3.stop();
  }
}

/** A server under test that can be started anew with its data, and its administrator. */
export class Subject {
  readonly name: string;
  readonly #base: string;
  readonly #program: readonly string[];
  readonly #export: string;
  #server: Server | null = null;
  #admin: Admin | null = null;

  constructor(name: string, base: string, program: readonly string[], exported: string) {
    this.name = name;
    this.#base = base;
    this.#program = program;
    this.#export = exported;
  }

  get server(): Server {
    if (this.#server === null) throw new Error(`${this.name} does not run`);
    return this.#server;
  }

  get admin(): Admin {
    if (this.#admin === null) throw new Error(`${this.name} does not run`);
    return this.#admin;
  }

  async start(again = false): Promise<void> {
    this.#server = await startDittofs(this.#base, this.#program, { name: this.name, export: this.#export, again, environment });
    this.#admin = await adminOf(this.#server);
  }

  /** With nothing in the cache on disk. */
  async evict(): Promise<void> {
    await this.admin.do("POST", "/api/v1/shares/cloud/evict");
  }

  /** With nothing in memory, nor in the cache on disk. */
  async restartCold(): Promise<void> {
    await this.evict();
    await this.stop(true);
    await this.start(true);
  }

  async stop(keep: boolean): Promise<void> {
    await this.#server?.stop(keep);
    this.#server = null;
  }

  /** Ends when everything that was accepted is in the bucket, of this share or of all. */
  async drain(share?: string): Promise<void> {
    await this.admin.do("POST", `/api/v1/system/drain-uploads${share === undefined ? "" : `?share=${encodeURIComponent(share)}`}`);
  }

  async unstoredBytes(share = "cloud"): Promise<number> {
    return (await this.admin.do("GET", `/api/v1/shares/${share}/status`)).unstored_bytes;
  }

  load(workload: string, options: readonly string[], running?: () => void, exported = this.#export): Promise<Sample> {
    return load({ ...this.server, export: exported }, workload, options, running);
  }
}

async function adminOf({ api }: Server): Promise<Admin> {
  if (api === null) throw new Error("the server has no REST interface");
  const url = `http://127.0.0.1:${api.port}`;
  const { status, body } = await request(url, "POST", "/api/v1/auth/login", { username: "admin", password: api.password }, {});
  if (status !== 200) throw new Error(`the administrator can't log in: ${status} ${JSON.stringify(body)}`);
  return new Admin(url, body.access_token);
}

/** A server whose only share is on S3. */
export async function startCloud(site: Site, base: string, program: readonly string[], { name = "cloud", history = true } = {}): Promise<Subject> {
  const subject = new Subject(name, base, program, cloud);
  await subject.start();
  await makeShare(subject, { ...site.storeConfig(), history }, "cloud");
  // Shares have equal parts of the caches.
  await subject.admin.do("DELETE", "/api/v1/shares/export");
  return subject;
}

export async function makeShare({ admin }: Subject, config: object, name: string): Promise<void> {
  await admin.do("POST", "/api/v1/store/block", { name, type: "s3", config });
  await admin.do("POST", "/api/v1/shares", { name: `/${name}`, blocks: name, squash: "none", durability: "local", default_permission: "read-write" });
}

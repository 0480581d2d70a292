import { S3Client } from "bun";
import { join } from "node:path";
import { Admin } from "./admin.ts";
import { type Fault, type FaultyProxy, faultyProxy, type SeenRequest } from "./faulty-proxy.ts";
import { type Handle, NfsClient } from "./nfs-client.ts";
import { type S3Server, sharedS3 } from "./radosgw.ts";
import { Scrape } from "./scrape.ts";
import { Server, temporaryDirectory } from "./server.ts";
import { until } from "./wait.ts";

const jobMs = 60_000;

/** Requests of one kind are held back until `open`. */
export class Gate {
  private readonly opened = Promise.withResolvers<void>();
  held = 0;

  constructor(proxy: FaultyProxy, holds: (request: SeenRequest) => boolean) {
    proxy.plan = (request): Fault => {
      if (!holds(request)) return { kind: "pass" };
      this.held++;
      return { kind: "first", run: () => this.opened.promise };
    };
  }

  open(): void {
    this.opened.resolve();
  }
}

/** The compiled server with the share /cloud in a bucket of a real S3 server, which a proxy stands before, and its metrics. */
export class BucketWorld {
  /** Also the name of its block store. */
  readonly name = "cloud";
  readonly share = "/cloud";
  readonly dataDir: string;
  readonly server: Server;
  readonly proxy: FaultyProxy;
  readonly admin: Admin;
  client!: NfsClient;
  root!: Handle;
  /** Straight to what is in the bucket, past the proxy. */
  readonly bucket: S3Client;
  private readonly remove: () => void;

  private constructor(bucket: S3Client, server: Server, proxy: FaultyProxy, admin: Admin, dataDir: string, remove: () => void) {
    this.bucket = bucket;
    this.server = server;
    this.proxy = proxy;
    this.admin = admin;
    this.dataDir = dataDir;
    this.remove = remove;
  }

  /** Nothing is flushed before it is asked for, or has to be. `config`: of the block store. */
  static async open(label: string, env: Readonly<Record<string, string>>, config: object): Promise<BucketWorld> {
    const s3 = await sharedS3();
    const proxy = await faultyProxy(s3.port);
    const directory = temporaryDirectory(label);
    const dataDir = join(directory.path, "data");
    const quiet = { DITTOFS_CACHE_FLUSH_AGE: "1h", DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0", DITTOFS_CONTROLPLANE_DRAIN_STALL_TIMEOUT: "60s", DITTOFS_GC_GRACE: "0s", DITTOFS_GC_INTERVAL: "1h" };
    const server = await Server.start({ dataDir, port: 0, env: { ...quiet, ...env } });
    const name = s3.bucketName();
    const world = new BucketWorld(clientOf(s3, name), server, proxy, await Admin.at(server), dataDir, () => directory.remove());
    const place = { bucket: name, endpoint: proxy.endpoint, access_key: s3.credentials.accessKeyId, secret_key: s3.credentials.secretAccessKey, create_bucket: true };
    await world.admin.do("POST", "/api/v1/store/block", { name: world.name, type: "s3", config: { ...place, ...config } });
    await world.admin.do("POST", "/api/v1/shares", { name: world.share, blocks: world.name, default_permission: "read-write" });
    world.client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
    world.root = await world.client.mount(world.share);
    return world;
  }

  scrape(): Promise<Scrape> {
    return Scrape.at(this.server.metricsUrl);
  }

  /** What is said as soon as that is so. */
  settled(what: string, is: (now: Scrape) => boolean, limitMs = 20_000): Promise<Scrape> {
    return until(what, limitMs, async () => ((now) => (is(now) ? now : null))(await this.scrape()));
  }

  async drain(): Promise<void> {
    await this.admin.do("POST", "/api/v1/system/drain-uploads?share=%2Fcloud");
  }

  /** A new file of so many bytes, not yet stored. */
  async written(name: string, bytes: number, fill = 1): Promise<Handle> {
    const { handle } = await this.client.create(this.root, name, { mode: 0o644 });
    await this.client.writeAll(handle!, 0, Buffer.alloc(bytes, fill));
    await this.client.commit(handle!);
    return handle!;
  }

  /** A new file, whose bytes are in a pack of their own. */
  async stored(name: string, bytes: number, fill = 1): Promise<Handle> {
    const handle = await this.written(name, bytes, fill);
    await this.drain();
    return handle;
  }

  /** Begins a job of the share, and waits for its end. */
  async job(kind: "gc" | "scrub", body: object): Promise<void> {
    const { id } = await this.admin.do("POST", `/api/v1/shares/cloud/${kind}`, body);
    await until(`the end of ${kind}`, jobMs, async () => ((await this.admin.do("GET", `/api/v1/jobs/${id}`)).state === "done" ? true : null));
  }

  async close(): Promise<void> {
    this.client?.close();
    this.proxy.plan = () => ({ kind: "pass" });
    await this.server.stop();
    await this.proxy.close();
    this.remove();
  }
}


function clientOf(s3: S3Server, bucket: string): S3Client {
  return new S3Client({ ...s3.credentials, bucket, endpoint: s3.endpoint });
}

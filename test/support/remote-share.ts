import { join } from "node:path";
import { Admin } from "./admin.ts";
import { NfsClient } from "./nfs-client.ts";
import { bucketConfig, type S3Server, startS3 } from "./radosgw.ts";
import { freePort, Server, temporaryDirectory } from "./server.ts";
import { until } from "./wait.ts";

const minuteMs = 60_000;
/** What a hook that begins one has to allow. */
export const remoteStartMsMax = 90_000;

/** What the status of a share says, as far as tests look at it. */
export interface ShareStatus {
  readonly durability: string;
  readonly store_error: string | null;
  readonly history: { readonly recoverable: boolean; readonly lag_segments: number; readonly error: string | null };
  readonly unstored_bytes: number;
  readonly oldest_unstored_ms: number | null;
  readonly state: string;
}

/** A server with a share in durability `remote`, /cloud, on an S3 server of its own, and a client of it. */
export class RemoteShare {
  s3!: S3Server;
  bucket!: string;
  server!: Server;
  admin!: Admin;
  client!: NfsClient;
  root!: Uint8Array;
  private readonly directory = temporaryDirectory("remote");

  /** `env`: of the server; `more`: in the configuration of the store. The share's history has begun when it resolves. */
  async begin(env: Readonly<Record<string, string>> = {}, more: object = {}): Promise<void> {
    this.s3 = await startS3();
    this.bucket = this.s3.bucketName();
    this.server = await Server.start({ dataDir: join(this.directory.path, "data"), port: await freePort(), env });
    this.admin = await Admin.at(this.server);
    await this.admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config: { ...bucketConfig(this.s3, this.bucket), ...more } });
    await this.admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", durability: "remote", default_permission: "read-write" });
    this.client = await NfsClient.connect({ port: this.server.port, credentials: { uid: 1000, gid: 1000 } });
    this.root = await this.client.mount("/cloud");
    await until("a snapshot", minuteMs, async () => (await this.status()).history.recoverable || null);
  }

  status(): Promise<ShareStatus> {
    return this.admin.do("GET", "/api/v1/shares/cloud/status");
  }

  async end(): Promise<void> {
    this.client?.close();
    await this.server?.stop();
    await this.s3?.stop();
    this.directory.remove();
  }
}

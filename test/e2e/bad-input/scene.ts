import { afterAll, afterEach, beforeAll, beforeEach, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NfsClient, NfsError } from "../../support/nfs-client.ts";
import { RpcRefused } from "../../support/rpc-client.ts";
import { freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { within } from "../../support/wait.ts";
import { Bystander } from "./bystander.ts";

export const MiB = 1024 * 1024;
export const mountOffset = Number(Bun.env.DITTOFS_TEST_MOUNT_OFFSET ?? 0);
export const credentials = { uid: 1000, gid: 1000 };
const cacheBytes = 64 * MiB;
/** Resident memory that must do under any load. */
const residentMax = cacheBytes + 300 * MiB;
/** Less than the ten seconds after which who waits is told to come back. */
const disturbedMsMax = 9_500;

/**
 * A server with a misbehaving client's share, /export, and a well-behaved one's, /quiet. After each test the well-behaved client
 * must have got its work done in time, and memory must have stayed bounded; after all the server must stop when told.
 */
export class Scene {
  readonly directory = temporaryDirectory("bad-input");
  server!: Server;
  client!: NfsClient;
  root!: Uint8Array;
  residentPeak = 0;
  private bystander!: Bystander;

  /** Registers the hooks of a test file. */
  static set(): Scene {
    const scene = new Scene();
    beforeAll(() => scene.begin());
    beforeEach(() => scene.beginTest());
    afterEach(() => scene.endTest());
    afterAll(() => scene.end(), 40_000);
    return scene;
  }

  sampleMemory(): void {
    this.residentPeak = Math.max(this.residentPeak, this.server.residentBytes());
  }

  async newFile(name: string): Promise<Uint8Array> {
    return (await this.client.create(this.root, name, { mode: 0o644 })).handle;
  }

  private async begin(): Promise<void> {
    const config = join(this.directory.path, "config.yaml");
    writeFileSync(config, "shares:\n  - name: /export\n  - name: /quiet\n");
    const env = { DITTOFS_CACHE_SIZE: String(cacheBytes), DITTOFS_LOGGING_LEVEL: "error" };
    this.server = await Server.start({ dataDir: join(this.directory.path, "data"), port: await freePort(), config, env });
  }

  private async beginTest(): Promise<void> {
    const { port } = this.server;
    this.client = await NfsClient.connect({ port, mountPort: port + mountOffset, credentials });
    this.root = await this.client.mount("/export");
    this.bystander = await Bystander.start(port, port + mountOffset, "/quiet");
    this.residentPeak = 0;
  }

  private async endTest(): Promise<void> {
    this.sampleMemory();
    const { rounds, slowestMs } = await this.bystander.stop();
    this.client.close();
    expect(this.server.running).toBe(true);
    expect(rounds).toBeGreaterThan(0);
    expect(slowestMs).toBeLessThan(disturbedMsMax);
    expect(this.residentPeak).toBeLessThan(residentMax);
  }

  private async end(): Promise<void> {
    const begun = performance.now();
    const status = await within("the end of the server", 25_000, this.server.stop()).catch(async (error: Error) => {
      await this.server.kill();
      return error.message;
    });
    console.log(`bad input: the server stopped after ${Math.round(performance.now() - begun)} ms`);
    this.directory.remove();
    expect(status).toBe(0);
  }
}

/** The status a call fails with; 0 when it succeeds; "refused" when RPC refused it. */
export async function statusOf(call: Promise<unknown>): Promise<number | "refused"> {
  try {
    await call;
    return 0;
  } catch (error) {
    if (error instanceof NfsError) return error.status;
    if (error instanceof RpcRefused) return "refused";
    throw error;
  }
}

import { expect } from "bun:test";
import { Admin } from "../support/admin.ts";
import { bytesOf } from "../support/damaged-share.ts";
import { type Handle, NfsClient, Stable } from "../support/nfs-client.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { freePort, Server } from "../support/server.ts";
import { after, until } from "../support/wait.ts";

/** Where a share goes in a round. */
export interface Stores {
  readonly blocks: string;
  readonly metadata: string;
}

interface Job {
  readonly state: string;
  readonly error: string | null;
  readonly result: Readonly<Record<string, number>>;
}

const fileBytes = 400_000;
const jobMsMax = 60_000;
const serveMsMax = 30_000;

/** A server whose share moves between stores and that is killed at any moment of that, with a client that holds a handle of every file. */
export class KilledMoves {
  private readonly dataDir: string;
  private readonly port: number;
  private server: Server | null = null;
  private client: NfsClient | null = null;
  private readonly handles = new Map<number, Handle>();
  admin: Admin | null = null;

  private constructor(dataDir: string, port: number) {
    this.dataDir = dataDir;
    this.port = port;
  }

  static async begin(dataDir: string, files: number, stores: (admin: Admin) => Promise<void>): Promise<KilledMoves> {
    const moves = new KilledMoves(dataDir, await freePort());
    const admin = await moves.start();
    await stores(admin);
    for (let seed = 0; seed < files; seed++) await moves.writeFile(seed);
    return moves;
  }

  async end(): Promise<void> {
    this.client?.close();
    await this.server?.stop();
  }

  /** Gives how many moves were cut off and had to be gone on with. */
  async play(rounds: number, to: (round: number) => Stores, random: SeededRandom, killMsMax: number): Promise<number> {
    let interrupted = 0;
    for (let round = 0; round < rounds; round++) {
      const body = to(round);
      let admin = await this.running();
      await this.writeFile(1000 + round);
      await admin.do("POST", "/api/v1/shares/export/migrate", body);
      await after(random.below(killMsMax));
      this.client?.close();
      await this.server?.kill();
      admin = await this.start();
      const share = await until("the share to be served", serveMsMax, async () => {
        const found = await admin.do("GET", "/api/v1/shares/export");
        return found.state === "serving" ? found : null;
      });
      await this.expectWhole();
      if (share.blocks !== body.blocks || share.metadata !== body.metadata) {
        // Never half of a move.
        expect(share).not.toMatchObject({ blocks: body.blocks });
        expect(share).not.toMatchObject({ metadata: body.metadata });
        interrupted++;
        expect(await this.job(`migrate`, body)).toMatchObject({ state: "done", error: null });
        await this.expectWhole();
      }
      expect(await admin.do("GET", "/api/v1/shares/export")).toMatchObject(body);
      expect(await this.job("fsck", { data: true })).toMatchObject({ state: "done", result: { damaged: 0 } });
    }
    return interrupted;
  }

  private async start(): Promise<Admin> {
    this.server = await Server.start({ dataDir: this.dataDir, port: this.port });
    this.client = await NfsClient.connect({ port: this.port, credentials: { uid: 1000, gid: 1000 } });
    return (this.admin = await Admin.at(this.server));
  }

  private async running(): Promise<Admin> {
    return this.admin ?? (await this.start());
  }

  private async job(path: string, body: object): Promise<Job> {
    const admin = await this.running();
    const { id } = await admin.do("POST", `/api/v1/shares/export/${path}`, body);
    return await until(`the job ${path}`, jobMsMax, async () => {
      const job = (await admin.do("GET", `/api/v1/jobs/${id}`)) as Job;
      return job.state === "running" ? null : job;
    });
  }

  /** What every handle that the client holds gives, that of the file written last included. */
  private async expectWhole(): Promise<void> {
    for (const [seed, handle] of this.handles) expect(Buffer.compare((await this.client?.readAll(handle)) as Buffer, bytesOf(seed, fileBytes)), `file ${seed}`).toBe(0);
  }

  private async writeFile(seed: number): Promise<void> {
    const client = this.client as NfsClient;
    const { handle } = await client.create(await client.mount("/export"), `f${seed}`, { mode: 0o644 });
    if (handle === null) throw new Error("no handle");
    await client.write(handle, 0, bytesOf(seed, fileBytes), Stable.fileSync);
    this.handles.set(seed, handle);
  }
}

import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { patiently } from "../../support/patiently.ts";

/** A well-behaved client that goes on working while others misbehave, and notices when it is disturbed. */
export class Bystander {
  private readonly client: NfsClient;
  private readonly work: Promise<void>;
  private stopped = false;
  private rounds = 0;
  private slowestMs = 0;

  private constructor(client: NfsClient, share: string) {
    this.client = client;
    this.work = this.loop(share);
    this.work.catch(() => {});
  }

  static async start(port: number, mountPort: number, share: string): Promise<Bystander> {
    return new Bystander(await NfsClient.connect({ port, mountPort, credentials: { uid: 1000, gid: 1000 } }), share);
  }

  /** Ends the work after the round it is in; throws if any of it went wrong. */
  async stop(): Promise<{ readonly rounds: number; readonly slowestMs: number }> {
    this.stopped = true;
    await this.work;
    this.client.close();
    return { rounds: this.rounds, slowestMs: this.slowestMs };
  }

  private async timed<T>(call: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const value = await patiently(call);
    this.slowestMs = Math.max(this.slowestMs, performance.now() - begun);
    return value;
  }

  private async loop(share: string): Promise<void> {
    const root = await this.client.mount(share);
    // One round at least: a test that is over at once has disturbed it, too.
    do {
      const name = `bystander-${this.rounds}`;
      const data = Buffer.alloc(64 * 1024, `round ${this.rounds} `);
      const { handle } = await this.timed(() => this.client.create(root, name, { mode: 0o600 }, true));
      await this.timed(() => this.client.writeAll(handle, 0, data, Stable.fileSync));
      const back = await this.timed(() => this.client.readAll(handle));
      if (!back.equals(data)) throw new Error(`${name} reads back differently`);
      await this.timed(() => this.client.remove(root, name));
      this.rounds++;
    } while (!this.stopped);
  }
}

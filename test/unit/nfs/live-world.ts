import { afterEach } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { openMemoryStore } from "#metadata/index.ts";
import type { SharePolicyFields } from "#vfs/access/policy.ts";
import { ShareTable } from "#vfs/index.ts";
import { createNfsAdapter, type NfsAdapter, type NfsAdapterOptions } from "#nfs/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { RawClient, record } from "../net/helpers.ts";
import { policyOf } from "../../support/policy.ts";
import { HeldStore, openOn, type TestRandom, type World } from "../vfs/kit.ts";
import { authSys, callRecord, rootCredential } from "./harness.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const adapters: NfsAdapter[] = [];
const callers: LiveCaller[] = [];
let xids = 1;

export function endAfterEach(): void {
  afterEach(async () => {
    for (const caller of callers.splice(0)) caller.client.close();
    for (const adapter of adapters.splice(0)) await adapter.stop(0);
  });
}

/** Real shares behind a real adapter. Every share is open to everybody and leaves all to the files' modes, unless changed. */
export async function live(options: Partial<NfsAdapterOptions> = {}) {
  const shares = new ShareTable();
  const adapter = createNfsAdapter({ shares, clock: systemClock, logger: silentLogger, bind: "127.0.0.1", port: 0, ...options });
  adapters.push(adapter);
  const { port } = await adapter.start();
  return { shares, adapter, port, connect: (at = port) => connect(at) };
}

/** A share with a store of its own. */
export async function openNamed(name: string, changes: Partial<SharePolicyFields> = {}): Promise<World> {
  const clock = new ManualClock();
  const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) } as unknown as TestRandom;
  return openOn(new HeldStore(openMemoryStore({ clock, random })), clock, { name, policy: policyOf(changes) });
}

async function connect(port: number): Promise<LiveCaller> {
  const caller = new LiveCaller(await RawClient.connect(port));
  callers.push(caller);
  return caller;
}

/** One connection. Answers begin with their status. */
export class LiveCaller {
  readonly client: RawClient;

  constructor(client: RawClient) {
    this.client = client;
  }

  send(program: number, procedure: number, args: Words, credential = rootCredential, xid = xids++): number {
    this.client.send(record(callRecord(xid, program, 3, procedure, args, credential)));
    return xid;
  }

  async answer(): Promise<DataView> {
    const reply = await this.client.record();
    if (reply === null) throw new Error("the server closed the connection");
    if (Buffer.compare(reply.subarray(4, 24), new Words(1, 0, 0, 0, 0).bytes()) !== 0) throw new Error(`no accepted reply: ${Buffer.from(reply).toString("hex")}`);
    return new DataView(reply.buffer, reply.byteOffset + 24, reply.length - 24);
  }

  async nfs(procedure: number, args: Words, credential = rootCredential): Promise<DataView> {
    this.send(100003, procedure, args, credential);
    return this.answer();
  }

  /** The status of a call. */
  async status(procedure: number, args: Words, credential = rootCredential): Promise<number> {
    return (await this.nfs(procedure, args, credential)).getUint32(0);
  }

  /** The status of a mount, and where that is 0 the handle. */
  async mount(path: string): Promise<{ readonly status: number; readonly handle: Uint8Array }> {
    this.send(100005, 1, new Words(path));
    const answer = await this.answer();
    const handle = answer.byteLength < 8 ? new Uint8Array(0) : new Uint8Array(answer.buffer, answer.byteOffset + 8, answer.getUint32(4)).slice();
    return { status: answer.getUint32(0), handle };
  }
}

export const as = (uid: number, gid = uid): Words => authSys(uid, gid);

import { ntHashOf } from "#auth/ntlm.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { createSmbAdapter, type SmbAdapter, type SmbAdapterOptions } from "#smb/index.ts";
import type { SmbServer } from "#smb/server.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { ShareTable } from "#vfs/share-table.ts";
import { openWorld } from "../unit/vfs/kit.ts";
import { policyOf } from "./policy.ts";
import { SmbClient } from "./smb-client.ts";

const accountOf = (name: string, uid: number) => ({ user: { name, uid, gid: uid, groups: [], groupNames: [], enabled: true }, ntHash: ntHashOf("secret"), mustChangePassword: false, sessionEpoch: 0 });
/** Everybody's password is "secret". */
const accounts = new Map([accountOf("alice", 1000), accountOf("bob", 1001)].map((each) => [each.user.name, each]));

export interface TestSmb {
  readonly smb: SmbAdapter;
  readonly state: SmbServer;
  readonly port: number;
  readonly world: Awaited<ReturnType<typeof openWorld>>;
  connect(): Promise<SmbClient>;
  /** A client that has negotiated and logged in as alice. */
  client(options?: Parameters<SmbClient["negotiate"]>[0]): Promise<SmbClient>;
  stop(): Promise<void>;
}

/** A server of one share in memory over a real socket, for alice and bob, whose passwords are "secret". */
export async function smbServer(options: Partial<SmbAdapterOptions> = {}, policy: Parameters<typeof policyOf>[0] = {}, on: TestSmb["world"] | null = null): Promise<TestSmb> {
  const world = on ?? (await openWorld({ policy: policyOf(policy), clock: systemClock }));
  const smb = createSmbAdapter({
    shares: new ShareTable([world.share]),
    accounts: { byName: (name) => accounts.get(name.toLowerCase()) ?? null },
    attempts: { begin: () => ({ succeeded() {}, withdraw() {} }) },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    bind: "127.0.0.1",
    port: 0,
    connectionsMax: 1000,
    name: "server",
    ...options,
  });
  const { port } = smb.start();
  const clients: SmbClient[] = [];
  const connect = async (): Promise<SmbClient> => {
    const client = await SmbClient.open(port);
    clients.push(client);
    return client;
  };
  return {
    smb,
    state: smb as unknown as SmbServer,
    port,
    world,
    connect,
    async client(negotiation) {
      const client = await connect();
      const negotiated = await client.negotiate(negotiation);
      if (negotiated.status !== 0) throw new Error(`NEGOTIATE: ${negotiated.status.toString(16)}`);
      const reply = await client.login("alice", "secret");
      if (reply.status !== 0) throw new Error(`SESSION_SETUP: ${reply.status.toString(16)}`);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      await smb.stop(1000);
    },
  };
}

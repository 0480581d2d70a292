import { ntHashOf } from "#auth/ntlm.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { createSmbAdapter } from "#smb/index.ts";
import { ShareTable } from "#vfs/share-table.ts";
import { openWorld } from "../unit/vfs/kit.ts";
import { policyOf } from "../support/policy.ts";

const world = await openWorld({ policy: policyOf({ smb: { encryption: "off", guest: true, continuouslyAvailable: false } }), clock: systemClock } as never);
const log = { debug: console.log, info: console.log, warn: console.log, error: console.log, child: () => log } as never;
const account = { user: { name: "alice", uid: 0, gid: 0, groups: [], groupNames: [], enabled: true }, ntHash: ntHashOf("secret"), mustChangePassword: false, sessionEpoch: 1 };
const accounts = { byName: (n: string) => (n.toLowerCase() === "alice" ? account : null) };
const attempts = { begin: () => ({ succeeded() {} }) };
const smb = createSmbAdapter({ shares: new ShareTable([world.share]), accounts, attempts, clock: systemClock, random: systemRandom, logger: log, bind: "127.0.0.1", port: Number(process.argv[2] ?? 0), connectionsMax: 1000, name: "dittofs" });
console.log(smb.start().port);

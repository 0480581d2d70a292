import { afterAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { after } from "../../support/wait.ts";

/** kill -9 in the middle of control-plane changes: each change is found whole or not at all, and what was answered is there. */

const directory = temporaryDirectory("kill");
const dataDir = join(directory.path, "data");
const rounds = Number(Bun.env.KILL_ROUNDS ?? 8);
const seed = Number(Bun.env.KILL_SEED ?? Math.floor(Math.random() * 2 ** 31));

afterAll(() => directory.remove());

type Users = ReadonlyMap<string, string>;
type Shares = ReadonlyMap<string, string>;
/** Users with their display names; shares with their descriptions, deleted ones with a mark; and grants on them. */
interface World {
  readonly users: Users;
  readonly shares: Shares;
  readonly grants: ReadonlyMap<string, string>;
}

interface Step {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  readonly after: World;
}

const deleted = "(deleted)";
const withEntry = (map: ReadonlyMap<string, string>, key: string, value: string | null): ReadonlyMap<string, string> => {
  const next = new Map(map);
  if (value === null) next.delete(key);
  else next.set(key, value);
  return next;
};

/** What may come next in this world. */
function nextStep(world: World, random: SeededRandom, number: number): Step {
  const name = `n${random.below(6)}`;
  const text = `text ${number}`;
  if (random.below(2) === 0) {
    const there = world.users.has(name);
    if (!there) return { method: "POST", path: "/api/v1/users", body: { username: name, password: "correct horse battery", display_name: text }, after: { ...world, users: withEntry(world.users, name, text) } };
    if (random.below(4) > 0) return { method: "PUT", path: `/api/v1/users/${name}`, body: { display_name: text }, after: { ...world, users: withEntry(world.users, name, text) } };
    const grants = new Map([...world.grants].filter(([key]) => !key.endsWith(` ${name}`)));
    return { method: "DELETE", path: `/api/v1/users/${name}`, after: { ...world, users: withEntry(world.users, name, null), grants } };
  }
  return shareStep(world, random, name, text);
}

function shareStep(world: World, random: SeededRandom, name: string, text: string): Step {
  const state = world.shares.get(name);
  const grants = new Map([...world.grants].filter(([key]) => !key.startsWith(`${name} `)));
  if (state === undefined) return { method: "POST", path: "/api/v1/shares", body: { name: `/${name}`, description: text }, after: { ...world, shares: withEntry(world.shares, name, text) } };
  if (state === deleted) {
    if (random.below(2) === 0) return { method: "POST", path: "/api/v1/shares", body: { name: `/${name}`, adopt: true, description: text }, after: { ...world, shares: withEntry(world.shares, name, text), grants } };
    return { method: "DELETE", path: `/api/v1/shares/${name}?purge=true`, after: { ...world, shares: withEntry(world.shares, name, null), grants } };
  }
  const [user] = world.users.keys();
  const choice = random.below(5);
  if (choice === 0) return { method: "DELETE", path: `/api/v1/shares/${name}?force=true`, after: { ...world, shares: withEntry(world.shares, name, deleted) } };
  if (choice < 3 && user !== undefined) {
    const level = random.below(2) === 0 ? "read" : "admin";
    return { method: "PUT", path: `/api/v1/shares/${name}/permissions/users/${user}`, body: { level }, after: { ...world, grants: withEntry(world.grants, `${name} ${user}`, level) } };
  }
  return { method: "PUT", path: `/api/v1/shares/${name}`, body: { description: text }, after: { ...world, shares: withEntry(world.shares, name, text) } };
}

/** The world as the server has it. */
async function found(admin: Admin): Promise<World> {
  const users = (await admin.do("GET", "/api/v1/users?page_size=1000")).items as { username: string; display_name: string }[];
  const shares = (await admin.do("GET", "/api/v1/shares?page_size=1000")).items as { name: string; description: string; state: string }[];
  const gone = (await admin.do("GET", "/api/v1/shares?page_size=1000&deleted=true")).items as { name: string }[];
  const grants = new Map<string, string>();
  for (const share of shares) {
    if (share.name === "/export") continue;
    expect(share.state).toBe("serving");
    const items = (await admin.do("GET", `/api/v1/shares${share.name}/permissions`)).items as { name: string; level: string }[];
    for (const grant of items) grants.set(`${share.name.slice(1)} ${grant.name}`, grant.level);
  }
  return {
    users: new Map(users.filter((user) => user.username !== "admin").map((user) => [user.username, user.display_name])),
    shares: new Map([...shares.filter((share) => share.name !== "/export").map((share) => [share.name.slice(1), share.description] as const), ...gone.map((share) => [share.name.slice(1), deleted] as const)]),
    grants,
  };
}

/** As it can be compared: grants of deleted shares aren't shown. */
function shown(world: World): unknown {
  const sorted = (map: ReadonlyMap<string, string>) => [...map].sort(([a], [b]) => a.localeCompare(b));
  return { users: sorted(world.users), shares: sorted(world.shares), grants: sorted(world.grants).filter(([key]) => world.shares.get(key.split(" ")[0] ?? "") !== deleted) };
}

test(
  "each change is whole or not there, what was answered is there",
  async () => {
    console.log(`kill: seed ${seed} (KILL_SEED=${seed} runs it again)`);
    const random = new SeededRandom(seed);
    const port = await freePort();
    let world: World = { users: new Map(), shares: new Map(), grants: new Map() };
    let number = 0;
    for (let round = 0; round < rounds; round++) {
      const server = await Server.start({ dataDir, port });
      const admin = await Admin.at(server);
      if (round === 0) world = await found(admin);
      const dead = after(20 + random.below(700)).then(() => server.kill());
      let doubtful: Step | null = null;
      try {
        for (;;) {
          doubtful = nextStep(world, random, ++number);
          await admin.do(doubtful.method, doubtful.path, doubtful.body);
          world = doubtful.after;
        }
      } catch (error) {
        // Refusals are faults of this test; a connection that broke is what it is about.
        if (/^(GET|PUT|POST|DELETE) /.test((error as Error).message)) throw error;
      }
      await dead;
      const again = await Server.start({ dataDir, port });
      const now = shown(await found(await Admin.at(again)));
      const either = [shown(world), ...(doubtful === null ? [] : [shown(doubtful.after)])];
      expect(either).toContainEqual(now);
      world = doubtful !== null && Bun.deepEquals(now, shown(doubtful.after)) ? doubtful.after : world;
      for (const name of Array.from({ length: 6 }, (_, i) => `n${i}`)) if (!world.shares.has(name)) expect(existsSync(join(dataDir, "shares", name, "metadata.db"))).toBe(false);
      expect(await again.stop()).toBe(0);
    }
    console.log(`kill: ${number} changes in ${rounds} rounds`);
  },
  300_000,
);

test("killed anywhere in its first start, the next one is a first start or a second, never half of one", async () => {
  const random = new SeededRandom(seed);
  for (let round = 0; round < 8; round++) {
    const fresh = join(directory.path, `first-${round}`);
    const options = { dataDir: fresh, port: await freePort(), env: { DITTOFS_ADMIN_INITIAL_PASSWORD: "" } };
    const hasty = Server.launch(options);
    await after(random.below(500));
    await hasty.kill();
    const server = await Server.start(options);
    await server.printed(/^ready$/m);
    const { readFileSync } = await import("node:fs");
    const password = readFileSync(join(fresh, "admin-password"), "utf8").trim();
    const admin = await Admin.at(server, "admin", password);
    const { access_token } = await admin.do("POST", "/api/v1/users/me/password", { current_password: password, new_password: "another horse battery" });
    const { items } = await new Admin(server.apiUrl, access_token).do("GET", "/api/v1/shares");
    expect(items.map((share: { name: string; state: string }) => [share.name, share.state])).toEqual([["/export", "serving"]]);
    expect(await server.stop()).toBe(0);
  }
}, 180_000);

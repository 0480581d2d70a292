import { expect } from "bun:test";
import { ControlError } from "#control/errors.ts";
import type { Level } from "#control/nouns.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { type Kit, root } from "./kit.ts";

const names = ["a", "b", "c", "d"];
const levels: readonly Level[] = ["none", "read", "read-write", "admin"];
const password = "correct horse";

/** One change drawn at random; most are legal, some are not. */
function draw(kit: Kit, random: SeededRandom): () => Promise<unknown> {
  const { users, groups, shares, stores, netgroups, adapters, settings, runtime } = kit;
  const name = () => random.pick(names);
  const share = () => `/${random.pick(names)}`;
  const some = () => names.filter(() => random.chance(0.5));
  const version = () => (random.chance(0.8) ? null : random.between(1, 4));
  const steps: Readonly<Record<string, () => Promise<unknown>>> = {
    user: () => users.create(root, { name: name(), password, groups: some(), ...(random.chance(0.2) ? { role: "admin" as const } : {}) }),
    editUser: () => users.edit(root, name(), { groups: some(), enabled: random.chance(0.7), ...(random.chance(0.3) ? { uid: random.between(1000, 1006) } : {}) }, version()),
    demote: () => users.edit(root, random.pick(["admin", ...names]), { role: random.pick(["user", "operator", "admin"] as const), enabled: random.chance(0.5) }, null),
    deleteUser: () => users.delete(root, random.pick(["admin", ...names]), version()),
    password: () => users.setPassword(root, name(), password, random.chance(0.5)),
    group: () => groups.create(root, { name: name() }),
    editGroup: () => groups.edit(root, name(), { gid: random.between(2000, 2006) }, version()),
    deleteGroup: () => groups.delete(root, name(), version()),
    join: () => groups.addMember(root, name(), name()),
    leave: () => groups.removeMember(root, name(), name(), version()),
    share: () => shares.create(root, { name: share(), adopt: random.chance(0.3), netgroups: some().slice(0, 1), defaultPermission: random.pick(levels), ...(random.chance(0.5) ? { blocks: name() } : {}) }),
    editShare: () => shares.edit(root, share(), { readOnly: random.chance(0.5), enabled: random.chance(0.7), allowedClients: random.pick([null, [], ["10.0.0.0/8"]]), ...(random.chance(0.3) ? { netgroups: some() } : {}) }, version()),
    deleteShare: () => shares.delete(root, share(), { force: random.chance(0.5), purge: random.chance(0.5) }, version()),
    grant: () => shares.grant(root, share(), { type: random.pick(["user", "group"] as const), name: name(), level: random.pick(levels) }, version()),
    revoke: () => shares.revoke(root, share(), { type: random.pick(["user", "group"] as const), name: name() }, version()),
    store: () => stores.create(root, "block", { name: name(), type: random.pick(["memory", "filesystem"]) }),
    editStore: () => stores.edit(root, "block", name(), random.pick([{ path: `/srv/${name()}` }, { size: "1GiB" }, { path: null }]), version()),
    deleteStore: () => stores.delete(root, "block", name(), version()),
    netgroup: () => netgroups.create(root, { name: name() }),
    member: () => netgroups.addMember(root, name(), { type: "ip", value: `10.0.0.${random.below(4)}` }),
    dropMember: async () => netgroups.removeMember(root, name(), random.pick([...netgroups.list().flatMap(({ members }) => members.map(({ id }) => id)), "none"]), version()),
    deleteNetgroup: () => netgroups.delete(root, name(), version()),
    adapter: () => (random.chance(0.2) ? adapters.delete(root, "nfs", null) : random.chance(0.3) ? adapters.create(root, { type: "nfs" }) : adapters.setSettings(root, "nfs", { max_connections: random.between(1, 5) }, { replace: random.chance(0.5), dryRun: false }, version())),
    port: () => adapters.edit(root, "nfs", { port: random.between(1, 4), enabled: random.chance(0.7) }, version()),
    setting: () => (random.chance(0.5) ? settings.reset(root, "logging.level", null) : settings.set(root, "logging.level", random.pick(["debug", "info", "nonsense"]), null)),
  };
  // What fails from now on fails for changes that are undone, too.
  for (const target of ["share /a", "share /b", "adapter nfs"]) if (random.chance(0.1)) runtime.failing.has(target) ? runtime.failing.delete(target) : runtime.failing.set(target, "drawn");
  const weights = Object.fromEntries(Object.keys(steps).map((step) => [step, step.startsWith("delete") || step === "demote" ? 1 : 4]));
  return steps[random.weighted(weights)] as () => Promise<unknown>;
}

/** Makes changes one after another or a few at once; only refusals may come of them. */
export async function changeAtRandom(kits: readonly Kit[], random: SeededRandom, count: number): Promise<ReadonlyMap<string, number>> {
  const outcomes = new Map<string, number>();
  for (let made = 0; made < count; ) {
    const together = random.between(1, 3);
    made += together;
    const work = Array.from({ length: together }, async () => {
      try {
        await draw(random.pick(kits), random)();
        return "done";
      } catch (error) {
        if (error instanceof ControlError) return error.code;
        throw error;
      }
    });
    for (const outcome of await Promise.all(work)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return outcomes;
}

/** Everything a control plane shows and wants. */
export function everything({ users, groups, shares, stores, netgroups, adapters, settings, control }: Kit): unknown {
  const desired = control.desired();
  return {
    users: users.list(),
    logins: users.list().map(({ name }) => control.directory.byName(name)),
    groups: groups.list(),
    shares: [...shares.list(), ...shares.deleted()],
    grants: shares.list().map(({ name }) => shares.grants(name)),
    stores: [...stores.list("metadata"), ...stores.list("block")],
    netgroups: netgroups.list(),
    adapters: adapters.list(),
    settings: settings.list(),
    desired: {
      ...desired,
      // Which shares a server may begin is its own: those that were created at it.
      shares: desired.shares.map(({ policy, mayBegin: _mayBegin, ...plan }) => {
        const known = users.list().map(({ uid, name }) => [policy.identity.userByUid(uid), policy.identity.userByName(name)]);
        const { identity: _identity, ...rules } = policy;
        return { ...plan, known, rules };
      }),
    },
  };
}

/** What must hold whatever was done. */
export function expectSound({ users, groups, shares, stores, netgroups, runtime, control }: Kit): void {
  expect(users.list().some(({ role, enabled }) => role === "admin" && enabled)).toBe(true);
  expect(new Set(users.list().map(({ uid }) => uid)).size).toBe(users.list().length);
  for (const group of groups.list()) for (const member of group.members) expect(users.get(member).groups).toContain(group.name);
  for (const user of users.list()) for (const group of user.groups) expect(groups.get(group).members).toContain(user.name);
  for (const share of [...shares.list(), ...shares.deleted()]) {
    expect(stores.get("block", share.blocks).usedBy).toContain(share.name);
    for (const name of share.netgroups) expect(netgroups.get(name).usedBy).toContain(share.name);
  }
  expect(control.desired().shares.map(({ name }) => name)).toEqual(shares.list().map(({ name }) => name));
  expect(runtime.desired).toEqual(control.desired());
}

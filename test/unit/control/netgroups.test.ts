import { describe, expect, test } from "bun:test";
import { questionsMax, resolveIntervalMs, resolveTimeoutMs, answerMsMax } from "#control/server/index.ts";
import { openKit, root } from "./kit.ts";
import { refusal } from "./sessions/world.ts";

const settled = async () => {
  for (let i = 0; i < 60; i++) await Promise.resolve();
};

/** Answers that a test gives, name by name. */
class Names {
  readonly answers = new Map<string, readonly string[] | Error>();
  readonly asked: string[] = [];
  under = 0;
  mostUnder = 0;
  hold: Promise<void> = Promise.resolve();

  readonly resolve = async (name: string): Promise<readonly string[]> => {
    this.asked.push(name);
    this.mostUnder = Math.max(this.mostUnder, ++this.under);
    await this.hold;
    this.under--;
    const answer = this.answers.get(name) ?? new Error("NXDOMAIN");
    if (answer instanceof Error) throw answer;
    return answer;
  };
}

describe("netgroups", () => {
  test("let their addresses and networks into shares, besides the share's own list", async () => {
    const { netgroups, shares, runtime } = await openKit();
    await netgroups.create(root, { name: "lab", description: "The lab" });
    await netgroups.addMember(root, "lab", { type: "ip", value: "10.0.0.7" });
    await netgroups.addMember(root, "lab", { type: "cidr", value: "fd00::/8" });
    await shares.create(root, { name: "/x", netgroups: ["lab", "lab"], allowedClients: ["192.168.0.0/16"] });
    expect(shares.get("/x")).toMatchObject({ netgroups: ["lab"], effectiveClients: ["192.168.0.0/16", "10.0.0.7", "fd00::/8"] });
    const { policy } = runtime.plan("/x");
    expect(["10.0.0.7", "10.0.0.8", "fd00::1", "192.168.3.4", "127.0.0.1"].map((address) => policy.admits("nfs", address))).toEqual([true, false, true, true, false]);
    const member = netgroups.get("lab").members.find(({ type }) => type === "ip");
    await netgroups.removeMember(root, "lab", member?.id ?? "", 3);
    expect(runtime.plan("/x").policy.admits("nfs", "10.0.0.7")).toBe(false);
  });

  test("refuse members that are none, twice the same, and to go while shares let them in", async () => {
    const { netgroups, shares } = await openKit();
    await netgroups.create(root, { name: "lab" });
    const add = (type: "ip" | "cidr" | "hostname", value: string) => refusal(netgroups.addMember(root, "lab", { type, value }));
    for (const [type, value] of [["ip", "10.0.0.0/8"], ["ip", "host"], ["ip", "fe80::1%eth0"], ["cidr", "10.0.0.1"], ["cidr", "10.0.0.0/33"], ["hostname", "10.0.0.1"], ["hostname", "::1"], ["hostname", "a b"], ["hostname", "-a"], ["hostname", "*.example.com"], ["hostname", "a..b"], ["hostname", "a".repeat(64)], ["host" as "ip", "x"]] as const) {
      expect([value, await add(type, value)]).toEqual([value, "invalid_value"]);
    }
    expect(await add("hostname", "Build1.Example.com.")).toBe(null);
    expect(await add("hostname", "build1.example.com")).toBe("already_exists");
    await shares.create(root, { name: "/x", netgroups: ["lab"] });
    expect(await refusal(netgroups.delete(root, "lab", null))).toBe("in_use");
    await shares.edit(root, "/x", { netgroups: [] }, null);
    await netgroups.delete(root, "lab", null);
    expect(netgroups.list()).toEqual([]);
    expect(await refusal(netgroups.removeMember(root, "lab", "x", null))).toBe("not_found");
  });
});

describe("host names in netgroups", () => {
  async function lab(names: Names) {
    const kit = await openKit({ resolve: names.resolve });
    await kit.netgroups.create(root, { name: "lab" });
    await kit.shares.create(root, { name: "/x", netgroups: ["lab"], allowedClients: ["192.0.2.1"] });
    const add = (value: string) => kit.netgroups.addMember(root, "lab", { type: "hostname", value });
    const clients = () => kit.runtime.plan("/x").policy.allowedClients.slice(1);
    return { ...kit, add, clients };
  }

  test("are resolved in the background, at once and again and again, and no request waits for it", async () => {
    const names = new Names();
    const held = Promise.withResolvers<void>();
    names.hold = held.promise;
    names.answers.set("a.example.com", ["10.0.0.7", "fd00::7", "10.0.0.7", "rubbish"]);
    const { add, clients, clock, netgroups } = await lab(names);
    expect((await add("a.example.com")).members[0]?.addresses).toEqual([]);
    expect(names.asked).toEqual(["a.example.com"]);
    held.resolve();
    await settled();
    expect([clients(), netgroups.get("lab").members[0]?.addresses]).toEqual([["10.0.0.7", "fd00::7"], ["10.0.0.7", "fd00::7"]]);
    names.answers.set("a.example.com", ["10.0.0.8"]);
    clock.pass(resolveIntervalMs);
    await settled();
    expect(clients()).toEqual(["10.0.0.8"]);
  });

  test("keep the last good answer while DNS fails, gives no address, or says nothing, and it is said once", async () => {
    const names = new Names();
    names.answers.set("a.example.com", ["10.0.0.7"]);
    const { add, clients, clock, log } = await lab(names);
    await add("a.example.com");
    await settled();
    for (const answer of [new Error("SERVFAIL"), [], ["x"]]) {
      names.answers.set("a.example.com", answer);
      clock.pass(resolveIntervalMs);
      await settled();
      expect(clients()).toEqual(["10.0.0.7"]);
    }
    names.hold = new Promise(() => {});
    clock.pass(resolveIntervalMs);
    await settled();
    clock.pass(resolveTimeoutMs);
    await settled();
    expect(clients()).toEqual(["10.0.0.7"]);
    expect(log.lines.filter((line) => line.includes("does not resolve")).length).toBe(1);
    names.hold = Promise.resolve();
    names.answers.set("a.example.com", ["10.0.0.9"]);
    clock.pass(resolveIntervalMs);
    await settled();
    expect([clients(), log.lines.some((line) => line.includes("resolves again"))]).toEqual([["10.0.0.9"], true]);
  });

  test("let nobody in any more when the last answer is an hour old, until there is another; and that is said", async () => {
    const names = new Names();
    names.answers.set("a.example.com", ["10.0.0.7"]);
    const { add, clients, clock, log, netgroups } = await lab(names);
    await add("a.example.com");
    await settled();
    names.answers.set("a.example.com", new Error("SERVFAIL"));
    for (let passed = resolveIntervalMs; passed < answerMsMax; passed += resolveIntervalMs) {
      clock.pass(resolveIntervalMs);
      await settled();
      expect(clients()).toEqual(["10.0.0.7"]);
    }
    for (let i = 0; i < 3; i++) {
      clock.pass(resolveIntervalMs);
      await settled();
      expect([clients(), netgroups.get("lab").members[0]?.addresses]).toEqual([[], []]);
    }
    expect(log.lines.filter((line) => line.includes("nobody gets in by it until it does")).length).toBe(1);
    names.answers.set("a.example.com", ["10.0.0.8"]);
    clock.pass(resolveIntervalMs);
    await settled();
    expect(clients()).toEqual(["10.0.0.8"]);
  });

  test("open a share no further where there is no answer at all", async () => {
    const names = new Names();
    const { add, shares, runtime } = await lab(names);
    await add("a.example.com");
    await shares.edit(root, "/x", { allowedClients: [] }, null);
    await settled();
    expect(["127.0.0.1", "10.0.0.7"].map((address) => runtime.plan("/x").policy.admits("nfs", address))).toEqual([true, false]);
  });

  test("are asked for few at a time, and no more once they are gone", async () => {
    const names = new Names();
    const held = Promise.withResolvers<void>();
    const { add, netgroups, clock, shares } = await lab(names);
    names.hold = held.promise;
    for (let i = 0; i < 2 * questionsMax; i++) await add(`host${i}`);
    held.resolve();
    await settled();
    await settled();
    expect(names.mostUnder).toBeLessThanOrEqual(questionsMax);
    expect(new Set(names.asked).size).toBe(2 * questionsMax);
    await shares.edit(root, "/x", { netgroups: [] }, null);
    await netgroups.delete(root, "lab", null);
    names.asked.length = 0;
    clock.pass(resolveIntervalMs);
    await settled();
    expect(names.asked).toEqual([]);
  });
});

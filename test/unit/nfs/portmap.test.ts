import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { silentLogger } from "#telemetry/logger.ts";
import { Client } from "#nfs/client.ts";
import { createPortmapper, type Portmapper } from "#nfs/index.ts";
import { LocalAddresses } from "#nfs/portmap/local-address.ts";
import { pmap2 } from "#nfs/portmap/pmap2.ts";
import { Registry } from "#nfs/portmap/registry.ts";
import { rpcbind } from "#nfs/portmap/rpcbind.ts";
import { Dispatcher } from "#nfs/rpc.ts";
import { RawClient, record } from "../net/helpers.ts";
import { callRecord, MemoryTransport, noCredential } from "./harness.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const hex = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString("hex");
type Fields = readonly (number | bigint | string | Uint8Array)[];
const words = (...fields: Fields): string => hex(new Words(...fields).bytes());
const ok = (...fields: Fields): string => words(7, 1, 0, 0, 0, 0, ...fields);
const call = (version: number, procedure: number, ...args: Fields) =>
  callRecord(7, 100000, version, procedure, new Words(...args), noCredential);

describe("the port mapper over TCP and UDP", () => {
  let mapper: Portmapper;
  let port = 0;
  beforeEach(async () => {
    const services = [
      { program: 100003, versions: [3], netid: "tcp", port: 12049 },
      { program: 100005, versions: [3], netid: "tcp", port: 12049 },
    ] as const;
    mapper = createPortmapper({ bind: "127.0.0.1", port: 0, services, clock: new ManualClock(0), logger: silentLogger });
    port = (await mapper.start()).port;
  });
  afterEach(() => mapper.stop(0));

  const overTcp = async (message: Uint8Array): Promise<string> => {
    const client = await RawClient.connect(port);
    client.send(record(message));
    const answer = hex(await client.record());
    client.close();
    return answer;
  };
  const overUdp = async (message: Uint8Array): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = await Bun.udpSocket({ hostname: "127.0.0.1", socket: { data: (_s, bytes) => resolve(hex(new Uint8Array(bytes))) } });
    socket.send(message, port, "127.0.0.1");
    const answer = await promise;
    socket.close();
    return answer;
  };

  for (const [name, ask] of [["TCP", overTcp], ["UDP", overUdp]] as const) {
    test(`version 2 over ${name}`, async () => {
      expect(await ask(call(2, 0))).toBe(ok());
      expect(await ask(call(2, 3, 100003, 3, 6, 0))).toBe(ok(12049));
      // Another version of a known program: its port all the same; the service itself says which versions it has.
      expect(await ask(call(2, 3, 100003, 4, 6, 0))).toBe(ok(12049));
      expect(await ask(call(2, 3, 100003, 3, 17, 0))).toBe(ok(0));
      expect(await ask(call(2, 3, 100003, 3, 99, 0))).toBe(ok(0));
      expect(await ask(call(2, 3, 100021, 4, 6, 0))).toBe(ok(0));
      const lines = [2, 3, 4].map((version) => [1, 100000, version, 6, port] as const);
      const udp = [2, 3, 4].map((version) => [1, 100000, version, 17, port] as const);
      expect(await ask(call(2, 4))).toBe(ok(...lines.flat(), ...udp.flat(), 1, 100003, 3, 6, 12049, 1, 100005, 3, 6, 12049, 0));
      expect(await ask(call(2, 5, 100003, 3, 0, ""))).toBe(words(7, 1, 0, 0, 0, 3));
      expect(await ask(call(2, 3, 100003))).toBe(words(7, 1, 0, 0, 0, 4));
      expect(await ask(call(5, 0))).toBe(words(7, 1, 0, 0, 0, 2, 2, 4));
    });

    test(`versions 3 and 4 over ${name}`, async () => {
      for (const version of [3, 4]) {
        expect(await ask(call(version, 0))).toBe(ok());
        expect(await ask(call(version, 3, 100005, 3, "tcp", "", ""))).toBe(ok("127.0.0.1.47.17"));
        expect(await ask(call(version, 3, 100005, 3, "udp", "", ""))).toBe(ok(""));
        // No transport named: the one asked over.
        expect(await ask(call(version, 3, 100005, 3, "", "", ""))).toBe(name === "TCP" ? ok("127.0.0.1.47.17") : ok(""));
        expect(await ask(call(version, 6))).toBe(ok(0));
        for (const absent of [5, 7, 8]) expect(await ask(call(version, absent))).toBe(words(7, 1, 0, 0, 0, 3));
      }
      expect(await ask(call(4, 9, 100005, 1, "tcp", "", ""))).toBe(ok(""));
      expect(await ask(call(4, 3, 100005, 1, "tcp", "", ""))).toBe(ok("127.0.0.1.47.17"));
      expect(await ask(call(4, 11, 100005, 3, "tcp", "", ""))).toBe(ok(1, "127.0.0.1.47.17", "tcp", 3, "inet", "tcp", 0));
      expect((await ask(call(4, 4))).endsWith(words(1, 100005, 3, "tcp", "0.0.0.0.47.17", "superuser", 0))).toBe(true);
      expect(await ask(call(3, 3, 100005, 3, "x".repeat(129), "", ""))).toBe(words(7, 1, 0, 0, 0, 4));
    });
  }

  test("a service of this machine is registered and taken away again; our own stay", async () => {
    expect(await overTcp(call(2, 1, 100024, 1, 17, 999))).toBe(ok(1));
    expect(await overTcp(call(2, 1, 100024, 1, 17, 998))).toBe(ok(0));
    expect(await overTcp(call(2, 3, 100024, 1, 17, 0))).toBe(ok(999));
    expect(await overTcp(call(4, 1, 100024, 1, "tcp", "0.0.0.0.4.1", "me"))).toBe(ok(1));
    expect(await overTcp(call(4, 3, 100024, 1, "tcp", "", ""))).toBe(ok("127.0.0.1.4.1"));
    expect(await overTcp(call(4, 2, 100024, 1, "tcp", "", ""))).toBe(ok(1));
    expect(await overTcp(call(2, 2, 100024, 1, 0, 0))).toBe(ok(1));
    expect(await overTcp(call(2, 3, 100024, 1, 17, 0))).toBe(ok(0));
    for (const unset of [call(2, 2, 100003, 3, 0, 0), call(4, 2, 100003, 3, "tcp", "", "")]) expect(await overTcp(unset)).toBe(ok(0));
    expect(await overTcp(call(2, 3, 100003, 3, 6, 0))).toBe(ok(12049));
    for (const bad of [call(2, 1, 9, 1, 6, 0), call(2, 1, 9, 1, 6, 70_000), call(2, 1, 9, 1, 5, 80), call(4, 1, 9, 1, "tcp", "nonsense", "")]) {
      expect(await overTcp(bad)).toBe(ok(0));
    }
  });

  test("a service that moved is found where it is now, whoever took its place meanwhile", async () => {
    expect(await overTcp(call(2, 1, 100024, 1, 17, 999))).toBe(ok(1));
    const at = (program: number, port: number) => ({ program, versions: [3], netid: "tcp", port }) as const;
    mapper.serve([at(100003, 13049), at(100021, 13050)]);
    for (const ask of [overTcp, overUdp]) {
      expect(await ask(call(2, 3, 100003, 3, 6, 0))).toBe(ok(13049));
      expect(await ask(call(2, 3, 100021, 3, 6, 0))).toBe(ok(13050));
      expect(await ask(call(2, 3, 100005, 3, 6, 0))).toBe(ok(0));
      expect(await ask(call(2, 3, 100000, 2, 6, 0))).toBe(ok(port));
      expect(await ask(call(2, 3, 100024, 1, 17, 0))).toBe(ok(999));
    }
    expect(await overTcp(call(2, 2, 100003, 3, 0, 0))).toBe(ok(0));
    expect(await overTcp(call(2, 1, 100005, 3, 6, 999))).toBe(ok(1));
    mapper.serve([at(100005, 13051)]);
    expect(await overTcp(call(2, 3, 100005, 3, 6, 0))).toBe(ok(13051));
    expect(await overTcp(call(2, 3, 100003, 3, 6, 0))).toBe(ok(0));
    mapper.serve([]);
    expect(await overTcp(call(2, 3, 100005, 3, 6, 0))).toBe(ok(0));
  });

  test("a datagram that is no call gets no answer; the next one does", async () => {
    const answers: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = await Bun.udpSocket({ hostname: "127.0.0.1", socket: { data: (_s, bytes) => (answers.push(hex(new Uint8Array(bytes))), resolve()) } });
    for (const bytes of [new Uint8Array(0), new Uint8Array(3), new Words(7, 1, 2).bytes(), call(2, 0)]) socket.send(bytes, port, "127.0.0.1");
    await promise;
    socket.close();
    expect(answers).toEqual([ok()]);
  });
});

test("others may ask, but not register", () => {
  const registry = new Registry();
  const settings = { registry, netid: "tcp", clock: new ManualClock(0), localAddress: () => "10.0.0.1" } as const;
  const dispatcher = new Dispatcher([{ number: 100000, name: "portmapper", versions: [pmap2(settings), rpcbind(3, settings), rpcbind(4, settings)] }], null, silentLogger);
  const ask = (address: string, message: Uint8Array): string => {
    const transport = new MemoryTransport(address);
    dispatcher.dispatch(new Client(transport), message, 0, message.length, [], 0);
    return hex(transport.replies[0]);
  };
  const set = call(2, 1, 100024, 1, 17, 999);
  for (const stranger of ["10.0.0.9", "127.0.0.1.evil", "::2"]) expect(ask(stranger, set)).toBe(ok(0));
  for (const here of ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"]) {
    expect(ask(here, set)).toBe(ok(1));
    expect(ask("10.0.0.9", call(2, 2, 100024, 1, 0, 0))).toBe(ok(0));
    expect(ask("10.0.0.9", call(4, 2, 100024, 1, "", "", ""))).toBe(ok(0));
    expect(ask(here, call(4, 2, 100024, 1, "", "", ""))).toBe(ok(1));
  }
  expect(ask("10.0.0.9", call(4, 1, 100024, 1, "tcp", "10.0.0.9.4.1", ""))).toBe(ok(0));
  // The registry is bounded.
  let taken = 0;
  for (let program = 1; program <= 200; program++) if (ask("127.0.0.1", call(2, 1, program, 1, 6, 99)) === ok(1)) taken++;
  expect(taken).toBe(128);
});

test("the address of ours that a client reaches", () => {
  const addresses = new LocalAddresses(new ManualClock(0));
  expect(addresses.towards("127.0.0.1")).toBe("127.0.0.1");
  expect(addresses.towards("::1")).toBe("::1");
  const own = Object.values(networkInterfaces()).flat().find((each) => each !== undefined && !each.internal && each.family === "IPv4");
  if (own !== undefined) expect(addresses.towards(own.address)).toBe(own.address);
});

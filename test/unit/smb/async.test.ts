import { afterEach, beforeEach, expect, test } from "bun:test";
import { handlers, Needs } from "#smb/commands/index.ts";
import type { Call } from "#smb/call.ts";
import type { Session } from "#smb/session/session.ts";
import { pendingMax, toldWhenSlow } from "#smb/pending.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { encodeEmptyBody } from "#wire/smb2/session.ts";
import { until } from "../../support/wait.ts";
import { emptyBody } from "../../support/smb-client.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { compound, packet } from "../../support/smb-wire.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const async = 2;
const related = 4;

/** FLUSH waits in these tests, whatever it names, until the test has it answered. */
interface Waiting {
  readonly call: Call;
  answer(status: number): void;
}
let waits: Waiting[];
let cancels: number;
let server: TestSmb;
const table = handlers as unknown as { needs: number; run(call: Call): Promise<number> | number }[];
const flush = table[Command.FLUSH]!;

const waitingIn = ({ state }: TestSmb): number => state.pending.count;

beforeEach(async () => {
  waits = [];
  cancels = 0;
  table[Command.FLUSH] = {
    needs: Needs.session,
    run(call) {
      const { promise, resolve } = Promise.withResolvers<number>();
      const pending = call.pend(() => {
        cancels++;
        resolve(NtStatus.CANCELLED);
      });
      if (pending === null) return NtStatus.INSUFFICIENT_RESOURCES;
      waits.push({
        call,
        answer(status) {
          if (status === 0) encodeEmptyBody(call.w);
          resolve(status);
        },
      });
      return promise;
    },
  };
  server = await smbServer();
});

afterEach(async () => {
  table[Command.FLUSH] = flush;
  await server.stop();
});

for (const [name, dialect] of [["2.1, unsigned", 0x210], ["3.1.1, signed", 0x311]] as const) {
  test(`a request that waits is answered twice, and others meanwhile (${name})`, async () => {
    const client = await server.client({ dialects: [dialect] });
    client.signs = dialect === 0x311;
    const interim = await client.call(Command.FLUSH, emptyBody, { credits: 10 });
    expect([interim.status, interim.flags & async, interim.credits]).toEqual([NtStatus.PENDING, async, 10]);
    // A nonce of AES-GMAC would be used twice.
    expect(interim.signed).toBeFalse();
    expect(interim.asyncId).toBeGreaterThan(0);
    expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
    waits[0]!.answer(0);
    const final = await client.next();
    expect([final.status, final.messageId, final.asyncId, final.credits]).toEqual([0, interim.messageId, interim.asyncId, 0]);
    expect(final.signed).toBe(client.signs);
    if (client.signs) expect(client.verifies(final)).toBeTrue();
    expect(waitingIn(server)).toBe(0);
  });
}

for (const ends of ["is done", "is cancelled", "loses its session", "loses its connection"] as const) {
  test(`a slow change that ${ends} is answered once after it was said to go on, where anybody is there to hear it`, async () => {
    const clock = new ManualClock();
    const slow = await smbServer({ clock });
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    table[Command.FLUSH] = {
      needs: Needs.session,
      run(call) {
        begun.resolve();
        return toldWhenSlow(call, gate.promise.then(() => (encodeEmptyBody(call.w), NtStatus.SUCCESS)));
      },
    };
    const client = await slow.client({ dialects: [0x311] });
    client.signs = true;
    client.send(Command.FLUSH, emptyBody, { credits: 10 });
    await begun.promise;
    expect(waitingIn(slow)).toBe(0);
    clock.pass(2_000);
    const interim = await client.next();
    expect([interim.status, interim.flags & async, interim.credits, interim.signed]).toEqual([NtStatus.PENDING, async, 10, false]);
    if (ends === "is cancelled") client.send(Command.CANCEL, emptyBody, { messageId: Number(interim.messageId) });
    if (ends === "loses its session") expect((await client.call(Command.LOGOFF, emptyBody)).status).toBe(0);
    if (ends === "loses its connection") client.close();
    else if (ends !== "loses its session") expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
    gate.resolve();
    if (ends !== "loses its connection") {
      const final = await client.next();
      expect([final.status, final.messageId, final.asyncId, final.credits, final.flags & async]).toEqual([0, interim.messageId, interim.asyncId, 0, async]);
      expect(client.verifies(final)).toBeTrue();
    }
    await until("it to be forgotten", 5_000, async () => (waitingIn(slow) === 0 ? true : null));
    await slow.stop();
  });
}

test("a request that was said to go on and then waits for another client is cancelled like one that waited from the start", async () => {
  table[Command.FLUSH] = {
    needs: Needs.session,
    async run(call) {
      const pending = call.pend(() => {});
      await Promise.resolve();
      return new Promise((resolve) => pending!.waitsElse(() => resolve(NtStatus.CANCELLED)));
    },
  };
  const client = await server.client();
  const interim = await client.call(Command.FLUSH, emptyBody);
  client.send(Command.CANCEL, emptyBody, { messageId: Number(interim.messageId) });
  expect((await client.next()).status).toBe(NtStatus.CANCELLED);
});

test("both answers are encrypted where the request was", async () => {
  const client = await server.client();
  client.seal();
  expect((await client.call(Command.FLUSH, emptyBody)).status).toBe(NtStatus.PENDING);
  expect(client.lastSealed).toBeTrue();
  waits[0]!.answer(0);
  expect((await client.next()).status).toBe(0);
  expect(client.lastSealed).toBeTrue();
});

test("a request that waits is cancelled by its async id and by its message id, once", async () => {
  const client = await server.client({ dialects: [0x210] });
  for (const byAsync of [true, false]) {
    const interim = await client.call(Command.FLUSH, emptyBody);
    const fields = byAsync ? { flags: async, asyncId: interim.asyncId, messageId: 0 } : { messageId: Number(interim.messageId) };
    client.send(Command.CANCEL, emptyBody, fields);
    client.send(Command.CANCEL, emptyBody, fields);
    const final = await client.next();
    expect([final.status, final.messageId]).toEqual([NtStatus.CANCELLED, interim.messageId]);
    expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
  }
  expect(cancels).toBe(2);
});

test("a session cancels its own requests only, and signed where it has to sign", async () => {
  const client = await server.client({ securityMode: 3 });
  client.signs = true;
  const interim = await client.call(Command.FLUSH, emptyBody);
  const fields = { flags: async, asyncId: interim.asyncId, messageId: 0 };
  client.signs = false;
  client.send(Command.CANCEL, emptyBody, fields);
  const first = client.sessionId;
  const keys = client.keys;
  expect((await client.login("alice", "secret")).status).toBe(0);
  client.signs = true;
  client.send(Command.CANCEL, emptyBody, fields);
  expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
  expect(cancels).toBe(0);
  client.sessionId = first;
  client.keys = keys;
  client.send(Command.CANCEL, emptyBody, fields);
  expect((await client.next()).status).toBe(NtStatus.CANCELLED);
});

test("the middle of a compound waits: what went before is answered at once, what follows with it", async () => {
  const client = await server.client();
  client.signs = true;
  const parts = [Command.ECHO, Command.FLUSH, Command.ECHO].map((command, i) => client.request(command, emptyBody, { flags: i === 0 ? 0 : related }));
  const message = compound(...parts);
  let at = 0;
  for (const part of parts) {
    const length = part === parts[2] ? part.length : Math.ceil(part.length / 8) * 8;
    client.signed(message.subarray(at, at + length));
    at += length;
  }
  client.sendRaw(message);
  const before = await client.next();
  expect([before.status, before.next, before.command]).toEqual([0, 0, Command.ECHO]);
  expect(client.verifies(before)).toBeTrue();
  const interim = await client.next();
  expect([interim.status, interim.next, interim.command]).toEqual([NtStatus.PENDING, 0, Command.FLUSH]);
  waits[0]!.answer(0);
  const final = await client.next();
  const after = await client.next();
  expect([final.asyncId, final.status, final.command, after.command, after.status]).toEqual([interim.asyncId, 0, Command.FLUSH, Command.ECHO, 0]);
  expect(final.next).toBeGreaterThan(0);
  expect([client.verifies(final), client.verifies(after)]).toEqual([true, true]);
});

test("a client that is gone leaves nothing that waits and nothing open", async () => {
  const client = await server.client();
  await client.call(Command.FLUSH, emptyBody);
  await client.call(Command.FLUSH, emptyBody);
  expect(waitingIn(server)).toBe(2);
  client.close();
  await until("the requests are cancelled", 5000, () => (waitingIn(server) === 0 ? true : null));
  expect(cancels).toBe(2);
});

test("a session that logs off takes what it waits for with it", async () => {
  const client = await server.client();
  client.signs = true;
  const interim = await client.call(Command.FLUSH, emptyBody);
  client.send(Command.LOGOFF, emptyBody);
  const answers = [await client.next(), await client.next()];
  const final = answers.find((each) => each.messageId === interim.messageId)!;
  expect(final.status).toBe(NtStatus.CANCELLED);
  expect(client.verifies(final)).toBeTrue();
});

test("no more than a bound of requests wait", async () => {
  const client = await server.client({ dialects: [0x210] });
  for (let i = 0; i < pendingMax; i++) expect((await client.call(Command.FLUSH, emptyBody)).status).toBe(NtStatus.PENDING);
  expect((await client.call(Command.FLUSH, emptyBody)).status).toBe(NtStatus.INSUFFICIENT_RESOURCES);
  waits[0]!.answer(0);
  expect((await client.next()).status).toBe(0);
  expect((await client.call(Command.FLUSH, emptyBody)).status).toBe(NtStatus.PENDING);
});

test("a message nobody asked for has the id of none, and is encrypted where its session has to be", async () => {
  const client = await server.client();
  await client.call(Command.FLUSH, emptyBody);
  const { connection, session } = waits[0]!.call;
  connection.notify(session, Command.OPLOCK_BREAK, encodeEmptyBody);
  const plain = await client.next();
  expect([plain.command, plain.messageId, plain.sessionId, plain.status, plain.signed]).toEqual([Command.OPLOCK_BREAK, 2n ** 64n - 1n, 0n, 0, false]);
  expect(client.lastSealed).toBeFalse();
  client.seal();
  (session as Session).seals = true;
  connection.notify(session, Command.OPLOCK_BREAK, encodeEmptyBody);
  expect((await client.next()).command).toBe(Command.OPLOCK_BREAK);
  expect(client.lastSealed).toBeTrue();
});

test("a CANCEL that names nothing is not answered", async () => {
  const client = await server.client();
  client.sendRaw(packet({ command: Command.CANCEL, messageId: 99, sessionId: client.sessionId }, emptyBody));
  client.signs = true;
  expect((await client.call(Command.ECHO, emptyBody)).command).toBe(Command.ECHO);
});

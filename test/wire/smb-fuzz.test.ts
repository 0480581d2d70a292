import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import type { SmbConnection } from "#smb/connection.ts";
import { Command } from "#wire/smb2/header.ts";
import { emptyBody } from "../support/smb-client.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { Chance, fuzzSeed } from "./fuzz.ts";
import { fuzzSmb, smbWorld } from "./smb-fuzz.ts";

const roundsMax = Number(process.env.FUZZ_ROUNDS ?? 4000);
const fuzzMs = Number(process.env.FUZZ_MS ?? 4000);
const connectionMs = 1500;
const canaryMs = 20_000;

test("wrong SMB messages are answered once and well, or cost their sender the connection", async () => {
  const seed = fuzzSeed();
  console.log(`fuzzing SMB: FUZZ_SEED=${seed}`);
  const result = await fuzzSmb({ seed, rounds: roundsMax, deadlineMs: fuzzMs });
  if (!("rounds" in result)) throw new Error(`found: ${JSON.stringify(result)}`);
  console.log(`${result.rounds} messages`);
  expect(result.rounds).toBeGreaterThan(100);
}, fuzzMs + 60_000);

/** Faults planted in a connection, each of which the fuzzer has to find, or it proves nothing. */
const canaries: Readonly<Record<string, (connection: SmbConnection) => void>> = {
  "a request is done twice": ({ transport }) => {
    const done = transport.requestDone.bind(transport);
    transport.requestDone = (bytes) => (done(bytes), done(bytes));
  },
  "answers go to another request": (connection) => {
    const send = connection.sendAnswers.bind(connection);
    connection.sendAnswers = (call) => {
      call.out.bytes[24]! ^= 0x55;
      send(call);
    };
  },
  "a session stays when its connection goes": ({ channels }) => void (channels.values = () => new Map().values() as never),
};

for (const [fault, plant] of Object.entries(canaries)) {
  test(`the fuzzer finds a planted fault: ${fault}`, async () => {
    const result = await fuzzSmb({ seed: 1, rounds: 100_000, deadlineMs: canaryMs, plant });
    expect(result).toHaveProperty("what");
  }, canaryMs + 5000);
}

test("garbage on live SMB connections costs nobody else anything", async () => {
  const seed = fuzzSeed();
  console.log(`fuzzing SMB connections: FUZZ_SEED=${seed}`);
  const chance = new Chance(seed);
  const { server, errors } = await smbWorld();
  const good = await server.client();
  good.signs = true;
  const end = systemClock.monotonicMs() + connectionMs;
  let connections = 0;
  for (; systemClock.monotonicMs() < end; connections++) {
    const bad = await RawConnection.open(server.port);
    for (let i = chance.below(6); i > 0; i--) {
      const length = chance.below(300);
      const bytes = Buffer.from(Array.from({ length: length + 4 }, () => chance.below(256)));
      if (chance.below(4) > 0) bytes.writeUInt32BE(length, 0);
      if (length > 4 && chance.below(2) === 0) bytes.writeUInt32LE(chance.of([0x424d53fe, 0x424d53ff, 0x424d53fd, 0x424d53fc]), 4);
      bad.send(bytes);
    }
    const reply = await good.call(Command.ECHO, emptyBody);
    expect([reply.status, good.verifies(reply)]).toEqual([0, true]);
    bad.close();
  }
  console.log(`${connections} connections`);
  expect(errors).toEqual([]);
  await server.stop();
}, connectionMs + 20_000);

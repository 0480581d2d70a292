import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { createNfsAdapter } from "#nfs/index.ts";
import { XdrReader } from "#wire/xdr-reader.ts";
import type { Harness } from "../unit/nfs/harness.ts";
import { MemoryShares } from "../unit/nfs/memory-shares.ts";
import { RawClient, record as marked, until } from "../unit/net/helpers.ts";
import { Chance, fuzzDecoders, fuzzSeed, mutate, subject } from "./fuzz.ts";

const decoderMs = 2000;
const connectionMs = 1500;
const canaryMs = 20_000;

test("mutated calls are answered once and well, or cost their sender the connection", async () => {
  const seed = fuzzSeed();
  console.log(`fuzzing decoders: FUZZ_SEED=${seed}`);
  const result = await fuzzDecoders(seed, decoderMs);
  if (!("rounds" in result)) throw new Error(`found: ${JSON.stringify(result)}`);
  console.log(`${result.rounds} calls`);
  expect(result.rounds).toBeGreaterThan(100);
});

/** Decoders with a planted fault, each of which the fuzzer has to find, or it proves nothing. */
const canaries: Readonly<Record<string, () => XdrReader>> = {
  "a name's maximum is not looked at": () => {
    const reader = new XdrReader();
    const name = reader.name.bind(reader);
    reader.name = (max) => name(max * 2);
    return reader;
  },
  "a slash in a name is let through": () => {
    const reader = new XdrReader();
    reader.name = reader.string.bind(reader);
    return reader;
  },
  "a payload's length is believed": () => {
    const reader = new XdrReader();
    reader.opaqueSlices = (max) => {
      const length = Math.min(reader.u32(), max);
      reader.opaqueLength = length;
      return [reader.bytes.subarray(reader.at, Math.min(reader.end, reader.at + length))];
    };
    return reader;
  },
  "the end of the record is not looked at": () => {
    const reader = new XdrReader();
    reader.fixedOpaque = (length) => {
      reader.opaqueAt = reader.at;
      reader.opaqueLength = length;
      reader.at += (length + 3) & ~3;
      return true;
    };
    return reader;
  },
};

for (const [fault, make] of Object.entries(canaries)) {
  test(`the fuzzer finds a planted fault: ${fault}`, async () => {
    const plant = (world: Harness): void => void Object.assign(world.dispatcher, { reader: make() });
    const result = await fuzzDecoders(1, canaryMs, plant);
    expect(result).toHaveProperty("what");
  }, canaryMs + 5000);
}

test("garbage on live connections costs nobody else anything", async () => {
  const seed = fuzzSeed();
  console.log(`fuzzing connections: FUZZ_SEED=${seed}`);
  const chance = new Chance(seed);
  const { fs, calls, errors } = await subject();
  const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => void errors.push(fields), child: () => logger };
  const adapter = createNfsAdapter({ shares: new MemoryShares(fs), clock: systemClock, logger, bind: "127.0.0.1", port: 0 });
  const { port } = await adapter.start();
  const good = await RawClient.connect(port);
  const getattr = calls[1]!;
  const expected = await (good.send(marked(getattr)), good.record());
  const end = systemClock.monotonicMs() + connectionMs;
  let connections = 0;
  for (; systemClock.monotonicMs() < end; connections++) {
    const client = await RawClient.connect(port);
    for (let i = chance.below(8); i > 0 && !client.closed; i--) {
      const message = mutate(chance.of(calls), chance, i);
      const cuts = Array.from({ length: chance.below(3) }, () => chance.below(message.length + 1)).sort((a, b) => a - b);
      const stream = marked(message, ...cuts);
      if (chance.below(4) === 0 && stream.length > 0) stream[chance.below(Math.min(4, stream.length))] = chance.below(256);
      for (let at = 0; at < stream.length && !client.closed; ) {
        const n = 1 + chance.below(stream.length);
        client.send(stream.slice(at, at + n));
        at += n;
      }
    }
    good.send(marked(getattr));
    expect(Buffer.compare((await good.record())!.subarray(0, 28), expected!.subarray(0, 28))).toBe(0);
    client.close();
  }
  console.log(`${connections} connections`);
  await until(() => adapter.stats().net.connections === 1);
  expect(errors).toEqual([]);
  good.close();
  await adapter.stop(1000);
});

/** Reads at random through a disk cache until it is killed; says a byte for each read that was answered. */
import { SeededRandom } from "../../../support/seeded-random.ts";
import { CountingStore, KiB, MiB, openCache } from "./kit.ts";

const [directory = "", bytesMax = "", seed = ""] = process.argv.slice(2);
const random = new SeededRandom(Number(seed));
const store = new CountingStore();
const length = 3 * MiB + 777;
const keys = await store.fill(8, length);
const cache = await openCache(store.blocks, directory, { limits: { bytesMax: Number(bytesMax) } });
// Bounded: nobody may be left who reads for ever.
for (let i = 0; i < 20_000; i++) {
  const offset = random.below(length);
  await cache.get(random.pick(keys), offset, Math.min(length - offset, random.between(1, 700 * KiB)));
  if (i % 10 === 0) await cache.settled();
  process.stdout.write(".");
}

import { afterAll, beforeAll, test } from "bun:test";
import { join } from "node:path";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { temporaryDirectory } from "../support/server.ts";
import { KilledMoves } from "./killed-moves.ts";

/** A share moves between stores while the server is killed at any moment: it is whole after each start, its handles are good, and the move goes on. */

const directory = temporaryDirectory("migrate-e2e");
const rounds = Number(Bun.env.CRASH_ROUNDS ?? 8);
const files = 24;
const killMsMax = 500;
let moves: KilledMoves;

beforeAll(async () => {
  moves = await KilledMoves.begin(join(directory.path, "data"), files, async (admin) => {
    await admin.do("POST", "/api/v1/store/block", { name: "other", type: "filesystem", config: { path: join(directory.path, "other") } });
    await admin.do("POST", "/api/v1/store/metadata", { name: "second", type: "sqlite", config: { path: join(directory.path, "second") } });
  });
}, 180_000);

afterAll(async () => {
  await moves?.end();
  directory.remove();
});

test("killed at any moment of a move", async () => {
  const random = new SeededRandom(seedFor("migrate", "MIGRATE_SEED"));
  const interrupted = await moves.play(rounds, (round) => (round % 2 === 0 ? { blocks: "other", metadata: "second" } : { blocks: "default", metadata: "default" }), random, killMsMax);
  console.log(`migrate: ${interrupted} of ${rounds} moves were cut off and went on`);
}, 60_000 + rounds * 25_000);

import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openMemoryStore } from "#metadata/index.ts";
import { metadataContract } from "./metadata.ts";

metadataContract(
  "memory",
  async () => {
    const store = openMemoryStore({ clock: systemClock, random: systemRandom });
    return { store, dispose: () => store.close() };
  },
  { persistent: false },
);

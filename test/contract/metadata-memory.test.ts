import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { importIntoMemory, openMemoryStore } from "#metadata/index.ts";
import { metadataContract } from "./metadata.ts";

metadataContract(
  "memory",
  async () => {
    const store = openMemoryStore({ clock: systemClock, random: systemRandom });
    return { store, dispose: () => store.close() };
  },
  { persistent: false },
);

metadataContract(
  "memory, moved there and opened again",
  async () => {
    const source = openMemoryStore({ clock: systemClock, random: systemRandom });
    const moved = await importIntoMemory({ source, clock: systemClock, wrote() {} });
    await source.close();
    await moved.close();
    const store = moved.reopened();
    return { store, dispose: () => store.close() };
  },
  { persistent: false },
);

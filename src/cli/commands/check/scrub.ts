import { contract } from "#api/contract/index.ts";
import { parseSize } from "#config/index.ts";
import { approximateSize, UsageError, type Verb } from "../../remote/index.ts";
import { shareArgument } from "../share/fields.ts";
import { addOfflineFlags, shareName, workOn } from "./work.ts";

const least = 64 * 1024;

export const scrub: Verb = {
  name: "scrub",
  route: contract.shares.scrub,
  summary: "Read all content of a share and compare it with its checksums, from where that was left last. A share does so in the background by itself once it has a rate: dittofs share edit --scrub-rate.",
  examples: ["dittofs scrub /export", "dittofs scrub /export --rate 20MiB", "dittofs share edit /export --scrub-rate 10MiB"],
  args: [shareArgument],
  flags: [{ flags: "--rate <size>", help: "bytes a second, such as 20MiB; default: as fast as it goes", field: "rate", as: "size" }],
  extend: addOfflineFlags,
  run: (call) => {
    const given = call.text("rate");
    const bytesPerSecond = given === null ? null : parseSize(given);
    if (given !== null && (bytesPerSecond === null || bytesPerSecond < least)) throw new UsageError(`--rate: ${given} is no size of at least 64KiB, such as 20MiB`);
    return workOn(call, {
      begin: async () => await call.session().call(contract.shares.scrub, { params: call.params(), body: await call.fields() }),
      offline: { kind: "scrub", share: shareName(call), bytesPerSecond },
      said: ({ bytes, damaged }) => `read ${approximateSize(Number(bytes))}: ${damaged === 0 ? "no damage" : `${damaged} damages; dittofs fsck --data --repair repairs what can be repaired`}`,
    });
  },
};

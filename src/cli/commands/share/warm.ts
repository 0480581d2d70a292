import { contract } from "#api/contract/index.ts";
import { approximateSize, type Verb } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const warm: Verb = {
  name: "warm",
  route: contract.shares.warm,
  summary: "Fetch what a share in a bucket holds to the local disk, the newest first, as far as cache.disk_size has room, and wait for it.",
  examples: ["dittofs share warm /projects"],
  args: [shareArgument],
  async run(call) {
    const warmed = await call.session().call(contract.shares.warm, { params: call.params() });
    call.done(`fetched ${approximateSize(warmed.bytes)}; ${warmed.complete ? "the local disk holds all of it" : "there is no room for the rest"}`, warmed);
  },
};

import { contract } from "#api/contract/index.ts";
import { approximateSize, type Verb } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const evict: Verb = {
  name: "evict",
  route: contract.shares.evict,
  summary: "Remove the copies of a share's content that the local disk holds; the bucket has it all.",
  examples: ["dittofs share evict /projects"],
  args: [shareArgument],
  async run(call) {
    const evicted = await call.session().call(contract.shares.evict, { params: call.params() });
    call.done(`removed ${approximateSize(evicted.bytes)} of copies`, evicted);
  },
};

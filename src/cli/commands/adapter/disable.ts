import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { adapterArgument, adapterState } from "./columns.ts";

export const disable: Verb = {
  name: "disable",
  route: contract.adapters.edit,
  summary: "Stop serving a protocol, after the requests in hand; every client of it is cut off.",
  examples: ["dittofs adapter disable nfs"],
  args: [adapterArgument],
  async run(call) {
    const adapter = await call.session().call(contract.adapters.edit, { params: call.params(), body: { enabled: false } });
    call.done(adapterState(adapter), adapter);
  },
};

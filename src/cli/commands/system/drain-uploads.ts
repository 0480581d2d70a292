import { contract } from "#api/contract/index.ts";
import { approximateSize, type Verb } from "../../remote/index.ts";

export const drainUploads: Verb = {
  name: "drain-uploads",
  route: contract.system.drainUploads,
  summary: "Store everything that is accepted and not yet in its block store, and wait for it. It ends early only where nothing moves.",
  examples: ["dittofs system drain-uploads", "dittofs system drain-uploads --share /projects"],
  flags: [{ flags: "--share <share>", help: "of this share alone", field: "share" }],
  async run(call) {
    const drained = await call.session().call(contract.system.drainUploads, { query: await call.fields() });
    const of = drained.shares.filter((share) => share.bytes > 0).map((share) => `${share.name} ${approximateSize(share.bytes)}`);
    call.done(`stored ${approximateSize(drained.bytes)} in ${(drained.duration_ms / 1000).toFixed(1)} s${of.length === 0 ? "" : `: ${of.join(", ")}`}`, drained);
  },
};

import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const remove: Verb = {
  name: "delete",
  aliases: ["remove"],
  route: contract.shares.delete,
  summary: "Delete a share. Its data stays until it is purged; share create --adopt brings it back.",
  examples: ["dittofs share delete /projects", "dittofs share delete /projects --purge", "dittofs share delete /projects --force"],
  args: [shareArgument],
  flags: [
    { flags: "-f, --force", help: "even while clients use it, or its block store does not take what a share in memory holds, which is lost then; and without asking", field: "force" },
    { flags: "--purge", help: "its data, too, for good; also of a share that was deleted before", field: "purge" },
  ],
  confirm: (call) => (call.has("purge") ? `Delete the share ${call.argument("share")} AND ALL ITS DATA, for good?` : `Delete the share ${call.argument("share")}? Its data stays.`),
  async run(call) {
    await call.session().call(contract.shares.delete, { params: call.params(), query: await call.fields() });
    const name = call.argument("share");
    call.done(call.has("purge") ? `deleted the share ${name} and its data` : `deleted the share ${name}; its data stays until dittofs share delete ${name} --purge (what a share has in memory, until the server stops)`);
  },
};

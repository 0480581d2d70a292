import { contract } from "#api/contract/index.ts";
import { approximateSize, type Verb } from "../../remote/index.ts";
import { shareArgument } from "../share/fields.ts";
import { addOfflineFlags, shareName, workOn } from "./work.ts";

export const gc: Verb = {
  name: "gc",
  route: contract.shares.gc,
  summary: "Show what of a share's block store nobody refers to, and delete it with --delete. What was let go lately stays for its grace (gc.grace); an object nobody knows goes once it was seen twice, a grace apart, by one server.",
  examples: ["dittofs gc /export", "dittofs gc /export --delete"],
  args: [shareArgument],
  flags: [{ flags: "--delete", help: "delete what may go", field: "delete" }],
  extend: addOfflineFlags,
  run: (call) =>
    workOn(call, {
      begin: async () => await call.session().call(contract.shares.gc, { params: call.params(), body: await call.fields() }),
      offline: { kind: "gc", share: shareName(call), remove: call.has("delete") },
      said: ({ objects, bytes, due, dueBytes, deleted, deletedBytes }) =>
        `${objects} objects (${approximateSize(Number(bytes))}) are referred to by nobody; ${due} of them (${approximateSize(Number(dueBytes))}) may go${call.has("delete") ? `, ${deleted} (${approximateSize(Number(deletedBytes))}) were deleted` : "; --delete deletes them"}`,
    }),
};

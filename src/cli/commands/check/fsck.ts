import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { shareArgument } from "../share/fields.ts";
import { addOfflineFlags, shareName, workOn } from "./work.ts";

export const fsck: Verb = {
  name: "fsck",
  route: contract.shares.fsck,
  summary: "Check whether a share is whole, while it is served: names, files and content fit each other, and every object is there. Names each path that is damaged or missing. Ctrl-C ends the watching, not the check.",
  examples: ["dittofs fsck /export", "dittofs fsck /export --data --repair", "dittofs fsck /export --offline --data-dir /srv/dittofs"],
  args: [shareArgument],
  flags: [
    { flags: "--data", help: "read all content, too, and compare it with its checksums", field: "data" },
    { flags: "--repair", help: "put right what can be put right without doubt; what can't stays as it is", field: "repair" },
  ],
  extend: addOfflineFlags,
  run: (call) =>
    workOn(call, {
      begin: async () => await call.session().call(contract.shares.fsck, { params: call.params(), body: await call.fields() }),
      offline: { kind: "fsck", share: shareName(call), data: call.has("data"), repair: call.has("repair") },
      said: ({ inodes, packs, damaged, repaired, more }) =>
        `checked ${inodes} files and ${packs} packs: ${damaged === 0 ? "no damage" : `${damaged} damages, ${repaired} of them repaired`}${more === true ? "; there is more than is looked into at once, check again" : ""}`,
    }),
};

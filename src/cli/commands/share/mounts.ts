import { contract } from "#api/contract/index.ts";
import { type Call, type Column, inPath, type Verb } from "../../remote/index.ts";
import type { Item } from "../../remote/kinds.ts";

const columns: readonly Column<Item<typeof contract.clients.mounts>>[] = [
  ["CLIENT", (mount) => mount.client],
  ["PROTOCOL", (mount) => mount.protocol],
  ["SHARE", (mount) => mount.share],
  ["PATH", (mount) => mount.path],
  ["SINCE", (mount) => mount.mounted_at],
];

export const mounts: Verb = {
  name: "mounts",
  aliases: ["list-mounts"],
  route: contract.clients.mounts,
  summary: "List who has mounted a share, or any.",
  examples: ["dittofs share mounts", "dittofs share mounts /export"],
  args: [{ name: "[share]", help: "the share, such as /export (default: all)" }],
  flags: [{ flags: "--protocol <word>", help: "mounts of this protocol alone", field: "protocol" }],
  async run(call) {
    call.list(await found(call), columns);
  },
};

async function found(call: Call): Promise<readonly Item<typeof contract.clients.mounts>[]> {
  const share = call.optionalArgument("share");
  const query = await call.fields<{ protocol?: "nfs" | "smb" }>();
  if (share === null) return await call.session().all(contract.clients.mounts, { query });
  // The share's own list knows whether there is such a share.
  const all = await call.session().all(contract.shares.mounts, { params: { share: inPath("share", share) } });
  return query.protocol === undefined ? all : all.filter((mount) => mount.protocol === query.protocol);
}

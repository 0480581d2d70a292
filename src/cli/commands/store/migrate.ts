import { contract } from "#api/contract/index.ts";
import { approximateSize, UsageError, type Verb } from "../../remote/index.ts";
import { addOfflineFlags, shareName, workOn } from "../check/work.ts";
import { shareArgument } from "../share/fields.ts";

export const migrate: Verb = {
  name: "migrate",
  route: contract.shares.migrate,
  summary: "Move a share's metadata, its content or both to other stores, checked. Clients go on meanwhile and wait for a moment at the end; handles stay good. What was cut off is begun again by the same command, and goes on where it was. The old content is left where it was. Into memory it goes with --accept-volatile alone: there everything ends with the server.",
  examples: ["dittofs store migrate /export --blocks bucket", "dittofs store migrate /scratch --metadata default --blocks default", "dittofs store migrate /scratch --metadata ram --accept-volatile", "dittofs store migrate /export --blocks fast --offline --data-dir /srv/dittofs"],
  args: [shareArgument],
  flags: [
    { flags: "--metadata <store>", help: "the metadata store it goes to", field: "metadata" },
    { flags: "--blocks <store>", help: "the block store it goes to", field: "blocks" },
    { flags: "--accept-volatile", help: "move into a metadata store of type memory: everything in the share is gone when the server stops", field: "accept_volatile" },
  ],
  extend: addOfflineFlags,
  run: (call) => {
    const [metadata, blocks] = [call.text("metadata"), call.text("blocks")];
    if (metadata === null && blocks === null) throw new UsageError("nowhere to go; give --metadata, --blocks or both");
    const acceptVolatile = call.has("accept-volatile");
    const to = { ...(metadata === null ? {} : { metadata }), ...(blocks === null ? {} : { blocks }) };
    return workOn(call, {
      begin: async () => await call.session().call(contract.shares.migrate, { params: call.params(), body: { ...to, ...(acceptVolatile ? { accept_volatile: true } : {}) } }),
      offline: { kind: "migrate", share: shareName(call), to: { ...to, acceptVolatile } },
      said: ({ objects, objectsPresent, objectsWhileClosed, bytes, bytesWhileClosed, rows }) => {
        const content = `${Number(objects) + Number(objectsWhileClosed)} objects of content copied (${approximateSize(Number(bytes) + Number(bytesWhileClosed ?? 0))}), ${objectsPresent} were there`;
        return `moved: ${[...(blocks === null ? [] : [content]), ...(metadata === null ? [] : [`${rows} rows of metadata copied`])].join("; ")}; all compared`;
      },
    });
  },
};

import { contract } from "#api/contract/index.ts";
import { creates } from "../../remote/index.ts";
import { shareFlags } from "./fields.ts";

export const create = creates(
  {
    route: contract.shares.create,
    summary: "Create a share and serve it at once. Until grants or --default-permission say otherwise, nobody may use it.",
    examples: ["dittofs share create --name /projects --default-permission read-write", "dittofs share create --name /archive --metadata default --blocks slow --read-only --allowed-clients 10.0.0.0/8"],
    flags: [
      { flags: "--name <path>", help: "the path clients mount, such as /projects", field: "name", ask: "Name" },
      { flags: "--metadata <store>", help: "the metadata store to keep names in (default: default)", field: "metadata" },
      { flags: "--blocks <store>", help: "the block store to keep content in (default: default)", field: "blocks" },
      ...shareFlags,
      { flags: "--root-mode <mode>", help: "mode of its root directory, in octal (default: 1777)", field: "root_mode", as: "mode" },
      { flags: "--adopt [boolean]", help: "take over the data of a deleted share of that name, or of one that a restored backup does not know", field: "adopt" },
    ],
  },
  (share) => `created the share ${share.name} (${share.metadata} metadata, ${share.blocks} blocks, ${share.state}${share.error === null ? "" : `: ${share.error}`})${share.volatile ? "; it is in memory: everything in it is gone when the server stops" : ""}`,
);

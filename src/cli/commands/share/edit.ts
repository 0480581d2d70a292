import { contract } from "#api/contract/index.ts";
import { changes } from "../../remote/index.ts";
import { shareArgument, shareFlags } from "./fields.ts";

export const edit = changes(
  {
    route: contract.shares.edit,
    summary: "Change a share; what no flag names stays. Clients that have it mounted see it with their next request.",
    examples: ["dittofs share edit /projects --read-only true", "dittofs share edit /projects --allowed-clients 192.168.1.0/24,10.1.2.3 --squash none"],
    args: [shareArgument],
    flags: shareFlags,
  },
  (share) => `changed the share ${share.name} (${share.state})`,
);

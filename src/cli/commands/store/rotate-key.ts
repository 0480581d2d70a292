import { contract, type Reply } from "#api/contract/index.ts";
import { ExitStatus } from "../../ports.ts";
import type { Verb } from "../../remote/index.ts";

type Rotated = Reply<typeof contract.stores.rotateKeys>["shares"][number];

export const rotateKey: Verb = {
  name: "rotate-key",
  route: contract.stores.rotateKeys,
  summary: "Wrap the keyrings of an encrypted block store with the first key of its key file, and begin a new key for what is stored from here on. Shares are served meanwhile; content stays as it is. Exit status 1 where one could not be.",
  examples: ["dittofs store block new-key /etc/dittofs/master.keys", "dittofs store block rotate-key cloud"],
  args: [{ name: "<name>", help: "which" }],
  async run(call) {
    const { shares } = await call.session().call(contract.stores.rotateKeys, { params: { name: call.argument("name") } });
    call.list<Rotated>(shares, [
      ["SHARE", (one) => one.share],
      ["MASTER KEY", (one) => one.master_key],
      ["KEYS", (one) => one.keys],
      ["ERROR", (one) => one.error],
    ]);
    return shares.every((one) => one.error === null) ? ExitStatus.ok : ExitStatus.failed;
  },
};

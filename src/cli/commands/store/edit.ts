import { contract } from "#api/contract/index.ts";
import { longOf, UsageError, type Verb } from "../../remote/index.ts";
import { configFlags, configOf, type StoreKind } from "./config.ts";

const examples = { metadata: "dittofs store metadata edit fast --db-path /mnt/nvme/metadata", block: `dittofs store block edit slow --config '{"path": "/mnt/disks/blocks"}'` } as const;

export function edit(kind: StoreKind): Verb {
  return {
    name: "edit",
    route: contract.stores.edit,
    params: { kind },
    summary: `Change a ${kind} store's configuration; what isn't named stays, null takes a value away. It is tried first.`,
    examples: [examples[kind]],
    args: [{ name: "<name>", help: "which" }],
    flags: configFlags(kind),
    async run(call) {
      const config = await configOf(call, kind);
      if (config === null) throw new UsageError(`nothing to change; give at least one of ${configFlags(kind).map(longOf).join(", ")}`);
      const store = await call.session().call(contract.stores.edit, { params: call.params(), body: { config } });
      call.done(`changed the ${kind} store ${store.name}`, store);
    },
  };
}

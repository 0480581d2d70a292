import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { configFlags, configOf, type StoreKind } from "./config.ts";

const about = {
  metadata: { summary: "Add a metadata store, after it was tried.", example: "dittofs store metadata add --name fast --type sqlite --db-path /mnt/nvme/metadata", types: "sqlite, postgres, memory" },
  block: { summary: "Add a block store, after it was tried.", example: "dittofs store block add --name cloud --type s3 --bucket files --endpoint https://minio.example:9000 --access-key AK --secret-key SK", types: "filesystem, s3, memory" },
} as const;

export function add(kind: StoreKind): Verb {
  return {
    name: "add",
    aliases: ["create"],
    route: contract.stores.create,
    params: { kind },
    summary: about[kind].summary,
    examples: [about[kind].example],
    flags: [
      { flags: "--name <name>", help: "its name", field: "name", ask: "Name" },
      { flags: "--type <type>", help: `what it is: ${about[kind].types}`, field: "type", ask: `Type (${about[kind].types})` },
      ...configFlags(kind),
    ],
    async run(call) {
      const fields = await call.fields<{ name: string; type: string }>();
      const config = await configOf(call, kind);
      const store = await call.session().call(contract.stores.create, { params: { kind }, body: { ...fields, ...(config === null ? {} : { config }) } });
      call.done(`added the ${kind} store ${store.name} (${store.type})`, store);
    },
  };
}

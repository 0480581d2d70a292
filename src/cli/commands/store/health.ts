import { contract, type Reply } from "#api/contract/index.ts";
import { ExitStatus } from "../../ports.ts";
import type { Verb } from "../../remote/index.ts";
import type { StoreKind } from "./config.ts";

type Health = Reply<typeof contract.stores.health>;

export function health(kind: StoreKind): Verb {
  return {
    name: "health",
    route: contract.stores.health,
    params: { kind },
    summary: `Try a ${kind} store now, or all of them. Exit status 1 where one is not healthy.`,
    examples: [`dittofs store ${kind} health`, `dittofs store ${kind} health default`],
    args: [{ name: "[name]", help: "which (default: all)" }],
    flags: [{ flags: "--name <name>", help: "the same as the argument" }],
    async run(call) {
      const session = call.session();
      const name = call.optionalArgument("name") ?? call.text("name");
      const names = name === null ? (await session.all(contract.stores.list, { params: { kind } })).map((store) => store.name) : [name];
      const found: Health[] = [];
      for (const one of names) found.push(await session.call(contract.stores.health, { params: { kind, name: one } }));
      call.list(found, [
        ["NAME", (one) => one.name],
        ["HEALTHY", (one) => one.healthy],
        ["LATENCY", (one) => (one.latency_ms === null ? null : `${Number(one.latency_ms.toPrecision(3))} ms`)],
        ["CHECKED", (one) => one.checked_at],
        ["ERROR", (one) => one.error],
      ]);
      return found.every((one) => one.healthy) ? ExitStatus.ok : ExitStatus.failed;
    },
  };
}

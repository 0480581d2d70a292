import { contract, type schemas } from "#api/contract/index.ts";
import type { Column, Verb } from "../../../remote/index.ts";

export type AdapterType = schemas.Adapter["type"];

interface Row {
  readonly key: string;
  readonly value: string | number | boolean;
  readonly standard: string | number | boolean;
  readonly overridden: boolean;
  readonly allowed: string;
  readonly help: string;
}

const columns: readonly Column<Row>[] = [
  ["SETTING", (row) => row.key],
  ["VALUE", (row) => `${row.value}${row.overridden ? " (overridden)" : ""}`],
  ["DEFAULT", (row) => String(row.standard)],
  ["ALLOWED", (row) => row.allowed],
  ["MEANING", (row) => row.help],
];

export function showSettings(type: AdapterType): Verb {
  return {
    name: "show",
    aliases: ["get"],
    route: contract.adapters.settings,
    params: { type },
    summary: `Show the settings of ${type}, their defaults and what is allowed.`,
    examples: [`dittofs adapter settings ${type} show`, `dittofs adapter settings ${type} show -o json`],
    async run(call) {
      const session = call.session();
      const found = await session.call(contract.adapters.settings, { params: { type } });
      if (call.format !== "table") return call.show(found);
      const { items } = await session.call(contract.adapters.defaults, { params: { type } });
      const rows = items.map((about): Row => ({ key: about.key, value: found.settings[about.key] ?? about.default, standard: about.default, overridden: found.overridden.includes(about.key), allowed: about.allowed, help: about.help }));
      call.list(rows, columns);
    },
  };
}

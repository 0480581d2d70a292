import { contract } from "#api/contract/index.ts";
import { lists } from "../../remote/index.ts";

export const list = lists({ route: contract.settings.list, summary: "List the server's settings.", examples: ["dittofs settings list"] }, [
  ["KEY", (setting) => setting.key],
  ["VALUE", (setting) => setting.value],
  ["DEFAULT", (setting) => setting.default],
  ["ALLOWED", (setting) => setting.allowed],
  ["MEANING", (setting) => setting.help],
]);

import type { Verb } from "../../remote/index.ts";
import { shownContext } from "./rows.ts";

export const list: Verb = {
  name: "list",
  local: true,
  summary: "List the servers one has logged in to.",
  examples: ["dittofs context list"],
  async run(call) {
    const { contexts, current } = call.contexts.read();
    call.list(
      Object.entries(contexts).map(([name, saved]) => shownContext(name, saved, current)),
      [
        ["IN USE", (one) => (one.current ? "*" : " ")],
        ["NAME", (one) => one.name],
        ["SERVER", (one) => one.server],
        ["USER", (one) => one.username],
        ["LOGGED IN", (one) => one.logged_in],
      ],
    );
  },
};

import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

export const disconnect: Verb = {
  name: "disconnect",
  route: contract.clients.disconnect,
  summary: "Close a client's connection. It may come back; to keep it out, change who is let in.",
  examples: ["dittofs client disconnect nfs-17 --yes"],
  args: [{ name: "<id>", help: "which, as client list has it" }],
  confirm: (call) => `Disconnect the client ${call.argument("id")}?`,
  async run(call) {
    await call.session().call(contract.clients.disconnect, { params: call.params() });
    call.done(`disconnected the client ${call.argument("id")}`);
  },
};

import { ApiError } from "#api/client/index.ts";
import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { adapterArgument, adapterState } from "./columns.ts";

export const enable: Verb = {
  name: "enable",
  route: contract.adapters.edit,
  summary: "Serve a protocol, from now on and after restarts.",
  examples: ["dittofs adapter enable nfs", "dittofs adapter enable smb --port 445"],
  args: [adapterArgument],
  flags: [{ flags: "--port <number>", help: "the port to listen on", field: "port" }],
  async run(call) {
    const session = call.session();
    const params = call.params<{ type: "nfs" | "smb" }>();
    const body = { enabled: true, ...(await call.fields<{ port?: number }>()) };
    try {
      const adapter = await session.call(contract.adapters.edit, { params, body });
      call.done(adapterState(adapter), adapter);
    } catch (error) {
      // One that was removed is made anew.
      if (!(error instanceof ApiError) || error.code !== "not_found") throw error;
      const adapter = await session.call(contract.adapters.create, { body: { type: params.type, ...body } });
      call.done(adapterState(adapter), adapter);
    }
  },
};

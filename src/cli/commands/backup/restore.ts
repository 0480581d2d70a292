import { resolve } from "node:path";
import { ExitStatus } from "../../ports.ts";
import { UsageError, type Verb } from "../../remote/index.ts";
import { addPlaceFlags, loadFor, offlineOf } from "../../settings.ts";

export const restoreControlPlane: Verb = {
  name: "controlplane",
  local: true,
  summary: "Put a backup in the place of the control-plane database, whole or not at all; the one that was there is kept beside it. Everybody has to log in again. Refused while a server runs.",
  examples: ["dittofs restore controlplane --input /backup/controlplane.db"],
  flags: [
    { flags: "--input <file>", help: "the backup" },
    { flags: "-f, --force", help: "although a server runs, which takes it up within a second, and without asking" },
  ],
  confirm: (call) => `Replace the control-plane database by ${call.text("input") ?? "a backup"}?`,
  extend: addPlaceFlags,
  async run(call) {
    const input = call.text("input");
    if (input === null) throw new UsageError("--input is missing");
    const loaded = loadFor(call.command, call.context);
    if (typeof loaded === "number") return ExitStatus.usage;
    const done = await (await offlineOf(call.context)).restore(loaded, resolve(input), { force: call.has("force") });
    call.done(`restored ${done.users} users and ${done.shares} shares (schema ${done.schemaVersion})${done.before === null ? "" : `; what was there is in ${done.before}`}`, done);
  },
};

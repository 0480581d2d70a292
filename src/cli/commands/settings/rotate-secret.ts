import type { Flag, Verb } from "../../remote/index.ts";
import { ExitStatus } from "../../ports.ts";
import { addPlaceFlags, loadFor, offlineOf } from "../../settings.ts";

const next: Flag = { flags: "--new-secret <secret>", help: "the new one, 32 characters at least; better --password-stdin, for others can see command lines (default: a random one, kept in the data directory)", secret: "new" };

export const rotateSecret: Verb = {
  name: "rotate-secret",
  local: true,
  summary: "Wrap the stored keys with a new control-plane secret. No server may run on the data directory; every log-in ends.",
  examples: ["dittofs settings rotate-secret --data-dir /srv/dittofs", "dittofs settings rotate-secret --password-stdin < new-secret.txt"],
  flags: [next],
  confirm: () => "Change the control-plane secret? Every log-in ends, and backups made so far need the old one.",
  extend: addPlaceFlags,
  async run(call) {
    const loaded = loadFor(call.command, call.context);
    if (typeof loaded === "number") return ExitStatus.usage;
    const done = await (await offlineOf(call.context)).rotateSecret(loaded, (await call.secret(next)) ?? null);
    const where = done.secretFile === null ? "set DITTOFS_CONTROLPLANE_SECRET to the new one before the next start" : `the new one is in ${done.secretFile}`;
    call.done(`changed the control-plane secret; ${where}`, done);
  },
};

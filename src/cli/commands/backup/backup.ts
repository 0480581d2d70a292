import { resolve } from "node:path";
import { ExitStatus } from "../../ports.ts";
import { approximateSize, type Verb } from "../../remote/index.ts";
import { addPlaceFlags, loadFor, offlineOf } from "../../settings.ts";

export const backupControlPlane: Verb = {
  name: "controlplane",
  local: true,
  summary: "Write a checked copy of the control-plane database to a file, while a server runs or not. Keep the control-plane secret with it: without it the stored keys can't be read.",
  examples: ["dittofs backup controlplane --output /backup/controlplane.db", "dittofs backup controlplane --data-dir /srv/dittofs"],
  extend: (command) => {
    command.option("-o, --output <file>", "the file to write, which must not be there (default: controlplane-backup-TIME.db here)");
    addPlaceFlags(command);
  },
  async run(call) {
    const loaded = loadFor(call.command, call.context);
    if (typeof loaded === "number") return ExitStatus.usage;
    const offline = await offlineOf(call.context);
    const stamp = new Date(call.context.clock.now().sec * 1000).toISOString().replaceAll(/[-:]/g, "").replace(/\.\d+/, "");
    const done = await offline.backup(loaded, resolve(call.text("output") ?? `controlplane-backup-${stamp}.db`));
    call.terminal.out(`wrote ${done.file} (${approximateSize(done.bytes)}, schema ${done.schemaVersion})\n`);
    const { secretFile } = offline.places(loaded);
    call.terminal.err(`keep with it ${secretFile === null ? "the secret DITTOFS_CONTROLPLANE_SECRET" : secretFile}, apart from the backup: it opens what is encrypted in it\n`);
  },
};

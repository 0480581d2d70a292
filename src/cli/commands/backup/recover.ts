import { ExitStatus, type RecoverProgress, type RecoverRequest } from "../../ports.ts";
import { Follower } from "../../progress.ts";
import { approximateSize, UsageError, type Verb } from "../../remote/index.ts";
import { addPlaceFlags, loadFor, offlineOf } from "../../settings.ts";
import { configFlags, configOf } from "../store/config.ts";

const storeNameDefault = "recovered";

export const recover: Verb = {
  name: "recover",
  local: true,
  summary: "Rebuild a share on this machine from its block store alone, after everything else was lost, and take it for this machine: a server that still has it elsewhere stops serving it. Refused while a server runs on the data directory.",
  examples: [
    "dittofs recover --from s3 --bucket files --endpoint https://minio.example:9000 --access-key AK --secret-key SK --dry-run",
    "dittofs recover --from s3 --bucket files --endpoint https://minio.example:9000 --access-key AK --secret-key SK --share /export",
  ],
  flags: [
    { flags: "--from <type>", help: "what the block store is", choices: ["s3", "filesystem"] },
    ...configFlags("block", "store-config"),
    { flags: "--store-name <name>", help: `what the store is called here (default: ${storeNameDefault})` },
    { flags: "--share <name>", help: "the share, by name or instance, where the store has several" },
    { flags: "--name <name>", help: "its name here (default: as it was)" },
    { flags: "--dry-run", help: "read and check everything, and change nothing" },
    { flags: "--accept-loss", help: "recover also where objects with what was written last are missing from the store; says how many files that is" },
    { flags: "--accept-moved", help: "recover also from a store that the share was being moved away from when its server was last heard of" },
  ],
  extend: addPlaceFlags,
  async run(call) {
    const type = call.text("from");
    if (type === null) throw new UsageError("--from is missing: s3 or filesystem, what the share's block store is");
    const loaded = loadFor(call.command, call.context);
    if (typeof loaded === "number") return ExitStatus.usage;
    const config = (await configOf(call, "block", "store-config")) ?? {};
    if (type === "s3" && typeof config["bucket"] !== "string") throw new UsageError("--bucket is missing: the bucket that the share's content and history are in; on another service than AWS also --endpoint");
    if (type === "filesystem" && typeof config["path"] !== "string") throw new UsageError("--path is missing: the directory of the filesystem store that the share's content and history are in");
    const request: RecoverRequest = {
      type, config,
      storeName: call.text("store-name") ?? storeNameDefault,
      share: call.text("share"), name: call.text("name"), dryRun: call.has("dry-run"), acceptLoss: call.has("accept-loss"), acceptMoved: call.has("accept-moved"),
    };
    const follower = new Follower(call);
    const done = await (await offlineOf(call.context))
      .recover(loaded, request, ({ phase, done: sofar, of }) => follower.tell({ ...parts[phase], done: sofar, total: of }))
      .finally(() => follower.end());
    const what = `share ${done.name} (instance ${done.instance}): ${done.files} files and directories, ${approximateSize(done.bytes)}; ${done.segments} segments of changes, ${done.unstoredRecords} changes of content that were in no pack yet${done.filesWithLoss === 0 ? "" : `; ${done.filesWithLoss} files without what was written to them last`}`;
    call.done(request.dryRun ? `can be recovered: ${what}. Nothing was changed` : `recovered ${what}. ${anew(done.name)} Start the server: dittofs start --data-dir ${loaded.config.data_dir}`, done);
    return undefined;
  },
};

/** What a store doesn't know of a share: of the tier above all, which decides what the next loss of a machine costs. */
function anew(name: string): string {
  return `Unless a backup of the control plane was put back before, its settings are those of a new share: durability local, and open to nobody; dittofs share edit ${name} changes both (--durability remote, --default-permission).`;
}

/** What each part of a recovery does, and what it counts. */
const parts: Readonly<Record<RecoverProgress["phase"], { readonly step: string; readonly unit: string }>> = {
  snapshot: { step: "fetching the snapshot", unit: "bytes" },
  changes: { step: "replaying changes", unit: "segments" },
  packs: { step: "looking for what was stored last", unit: "objects" },
};

import type { schemas } from "#api/contract/index.ts";
import type { Command } from "commander";
import { ExitStatus, type OfflineWork } from "../../ports.ts";
import { Follower } from "../../progress.ts";
import type { Call } from "../../remote/index.ts";
import { addPlaceFlags, loadFor, offlineOf } from "../../settings.ts";
import { conclude, follow } from "./follow.ts";

/** `--offline`, and what says where the data of the stopped server lies. */
export function addOfflineFlags(command: Command): void {
  command.option("--offline", "work on the data of a stopped server; it takes its --data-dir or --config");
  addPlaceFlags(command);
}

/** The share's name as it is stored, however it was given. */
export function shareName(call: Call): string {
  const given = call.argument("share");
  return given.startsWith("/") ? given : `/${given}`;
}

/** Has the server do a job, or does it on a stopped server's data, and tells of it. */
export async function workOn(call: Call, work: { readonly begin: () => Promise<schemas.Job>; readonly offline: OfflineWork; readonly said: (result: Readonly<Record<string, number | boolean>>) => string }): Promise<ExitStatus> {
  if (!call.has("offline")) return conclude(call, await follow(call, await work.begin()), work.said);
  const loaded = loadFor(call.command, call.context);
  if (typeof loaded === "number") return ExitStatus.usage;
  const follower = new Follower(call);
  const job = await (await offlineOf(call.context)).work(loaded, work.offline, (now) => follower.tell(now.progress)).finally(() => follower.end());
  return conclude(call, job, work.said);
}

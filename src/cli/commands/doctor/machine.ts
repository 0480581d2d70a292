import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Config } from "#config/index.ts";
import type { Instance } from "../../ports.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** 2026-01-01: this program is younger. */
const earliestSec = 1_767_225_600;
const toleratedSec = 60;
/** Besides a connection each: databases, logs, packs, listeners. */
const filesBesides = 1024;

/** Whether the clock can be right: after this program was written, and after what the server wrote last. */
export function checkClock(dataDirectory: string, clock: Clock): Finding {
  const now = clock.now().sec;
  const said = new Date(now * 1000).toISOString();
  const set = "set the clock and keep it set: timedatectl set-ntp true";
  if (now < earliestSec) return fail("clock", `it says ${said}, before this program was written`, set);
  const last = newest(dataDirectory);
  if (last !== null && last > now + toleratedSec) return warn("clock", `it says ${said}, and ${dataDirectory} has files from ${new Date(last * 1000).toISOString()}: it went back, or was ahead`, set);
  return ok("clock", said);
}

/** When something directly in the directory changed last. */
function newest(directory: string): number | null {
  try {
    return Math.max(...readdirSync(directory).map((name) => Math.floor(statSync(join(directory, name)).mtimeMs / 1000)), 0);
  } catch {
    // What can't be read is another check's.
    return null;
  }
}

/** Whether the server may hold as many files open as it may have clients. Linux alone says so of another process. */
export function checkLimits(config: Config, instance: Instance | null): readonly Finding[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${instance !== null && instance.pid > 0 ? instance.pid : "self"}/limits`, "utf8");
  } catch {
    return [];
  }
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (soft === undefined) return [];
  const wanted = config.adapters.nfs.max_connections + filesBesides;
  const of = instance === null ? "here" : `of the server with pid ${instance.pid}`;
  if (soft === "unlimited" || Number(soft) >= wanted) return [ok("open files", `at most ${soft} ${of}`)];
  return [warn("open files", `at most ${soft} ${of}; ${wanted} may be needed for ${config.adapters.nfs.max_connections} connections`, `raise the limit (ulimit -n ${wanted}, or LimitNOFILE=${wanted} in the unit), or lower adapters.nfs.max_connections`)];
}

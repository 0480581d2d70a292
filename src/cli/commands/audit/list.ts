import { contract } from "#api/contract/index.ts";
import { shown, UsageError, type Verb } from "../../remote/index.ts";
import { momentOf } from "../../moment.ts";

const entriesDefault = 100;
const entriesMax = 1_000_000;

export const list: Verb = {
  name: "list",
  route: contract.audit.list,
  summary: "List who changed what, the newest first.",
  examples: ["dittofs audit list --limit 20", "dittofs audit list --actor alice --since 24h -o json"],
  flags: [
    { flags: "--actor <name>", help: "changes by this user alone", field: "actor" },
    { flags: "--action <word>", help: "changes of this kind alone", field: "action" },
    { flags: "--target-type <word>", help: "changes of this kind of thing alone: user, share, …", field: "target_type" },
    { flags: "--target <name>", help: "changes of the thing of this name alone", field: "target" },
    { flags: "--since <when>", help: "no older ones: 90m, 24h, 7d, or 2026-01-31T08:00" },
    { flags: "--limit <number>", help: `how many at most (default: ${entriesDefault})` },
  ],
  async run(call) {
    const limit = call.text("limit") ?? String(entriesDefault);
    if (!/^\d{1,7}$/.test(limit) || Number(limit) < 1 || Number(limit) > entriesMax) throw new UsageError(`--limit: ${JSON.stringify(limit)} is not allowed here; allowed: 1 to ${entriesMax}`);
    const since = call.text("since");
    const query = { ...(await call.fields<object>()), sort: "-number" as const, ...(since === null ? {} : { since: momentOf(since, "--since", call.context.clock).toISOString() }) };
    const entries = await call.session().all(contract.audit.list, { query }, Number(limit));
    call.list(entries, [
      ["NUMBER", (entry) => entry.number],
      ["WHEN", (entry) => entry.at],
      ["WHO", (entry) => entry.actor],
      ["FROM", (entry) => entry.address],
      ["ACTION", (entry) => entry.action],
      ["WHAT", (entry) => `${entry.target_type} ${entry.target}`],
      ["CHANGE", (entry) => difference(entry.before, entry.after)],
    ]);
  },
};

/** What the entry says anyhow. */
const told: readonly string[] = ["version", "createdAt", "updatedAt", "created_at", "updated_at"];

/** The fields that are not what they were; of something new those that hold anything. */
function difference(before: unknown, after: unknown): string {
  const old = fieldsOf(before);
  const now = fieldsOf(after);
  const changed = Object.keys({ ...old, ...now }).filter((key) => !told.includes(key) && JSON.stringify(old[key]) !== JSON.stringify(now[key]));
  if (Object.keys(now).length === 0) return "-";
  if (Object.keys(old).length === 0) return changed.filter((key) => shown(now[key]) !== "-").map((key) => `${key}=${shown(now[key])}`).join(" ");
  return changed.map((key) => `${key}: ${shown(old[key])} → ${shown(now[key])}`).join("; ") || "-";
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

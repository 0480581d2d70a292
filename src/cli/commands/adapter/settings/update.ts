import { contract, type Reply } from "#api/contract/index.ts";
import { smbDialects } from "#config/adapter-options.ts";
import { parseSize } from "#config/index.ts";
import { type Call, type Flag, UsageError, type Verb } from "../../../remote/index.ts";
import type { AdapterType } from "./show.ts";

type About = Reply<typeof contract.adapters.defaults>["items"][number];
type Value = string | number | boolean;

/** Settings with a flag of their own; the rest goes by --set. Flag and key are the same words. */
const named: Readonly<Record<AdapterType, readonly Flag[]>> = {
  nfs: [
    { flags: "--bind <address>", help: "the address to listen on" },
    { flags: "--max-read-size <size>", help: "the largest READ a client is offered" },
    { flags: "--max-write-size <size>", help: "the largest WRITE a client is offered" },
    { flags: "--max-connections <number>", help: "connections held at once" },
    { flags: "--portmapper-enabled <boolean>", help: "serve the embedded portmapper", choices: ["true", "false"] },
    { flags: "--portmapper-port <number>", help: "its port" },
  ],
  smb: [
    { flags: "--bind <address>", help: "the address to listen on; empty: that of NFS" },
    { flags: "--min-dialect <version>", help: "the oldest version of SMB that is spoken", choices: smbDialects },
    { flags: "--max-dialect <version>", help: "the newest", choices: smbDialects },
    { flags: "--signing <word>", help: "whether clients must sign what they don't encrypt", choices: ["enabled", "required"] },
    { flags: "--encryption <word>", help: "whether clients are told to encrypt, or must", choices: ["off", "preferred", "required"] },
    { flags: "--max-transfer-size <size>", help: "the largest READ, WRITE and listing a client is offered" },
    { flags: "--max-connections <number>", help: "connections held at once" },
  ],
};
const examples: Readonly<Record<AdapterType, string>> = { nfs: "--max-read-size 4MiB", smb: "--encryption required" };

const nameOf = (flag: Flag): string => (/--([a-z-]+)/.exec(flag.flags) as RegExpExecArray)[1] as string;

export function updateSettings(type: AdapterType): Verb {
  return {
    name: "update",
    aliases: ["edit", "set"],
    route: contract.adapters.changeSettings,
    params: { type },
    summary: `Change settings of ${type}; what isn't named stays.`,
    examples: [`dittofs adapter settings ${type} update ${examples[type]}`, `dittofs adapter settings ${type} update --set max_connections=1024 --dry-run`],
    flags: [
      ...named[type],
      { flags: "--set <key=value>", help: "any setting, as adapter settings show names it; repeatable", repeatable: true },
      { flags: "--replace", help: "put every setting that isn't named back to its default" },
      { flags: "--dry-run", help: "only say whether it would be taken", field: "dry_run" },
    ],
    async run(call) {
      const given = givenSettings(call, named[type]);
      if (given.size === 0 && !call.has("replace")) throw new UsageError(`nothing to change; give at least one of ${[...named[type].map((flag) => `--${nameOf(flag)}`), "--set"].join(", ")}`);
      const session = call.session();
      const { items } = await session.call(contract.adapters.defaults, { params: { type } });
      const body = Object.fromEntries([...given].map(([key, text]) => [key, readSetting(items, key, text)]));
      const route = call.has("replace") ? contract.adapters.replaceSettings : contract.adapters.changeSettings;
      const changed = await session.call(route, { params: { type }, query: await call.fields(), body });
      const what = Object.entries(body).map(([key, value]) => `${key}=${value}`).join(", ") || "all settings to their defaults";
      call.done(call.has("dry-run") ? `would be taken: ${what}; nothing was changed` : `changed ${what}${overridden(changed.overridden, body)}`, changed);
    },
  };
}

function givenSettings(call: Call, flags: readonly Flag[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const flag of flags) {
    const value = call.text(nameOf(flag));
    if (value !== null) given.set(nameOf(flag).replaceAll("-", "_"), value);
  }
  for (const one of call.texts("set")) {
    const at = one.indexOf("=");
    if (at < 1) throw new UsageError(`--set: ${JSON.stringify(one)} is not allowed here; allowed: KEY=VALUE`);
    given.set(one.slice(0, at), one.slice(at + 1));
  }
  return given;
}

/** Reads a value as the kind the server says the setting is of. A key the server doesn't know is left for it to refuse. */
function readSetting(abouts: readonly About[], key: string, text: string): Value {
  const about = abouts.find((one) => one.key === key);
  const wrong = (allowed: string) => new UsageError(`${key}: ${JSON.stringify(text)} is not allowed here; allowed: ${about?.allowed || allowed}`);
  if (about?.type === "boolean") {
    if (text !== "true" && text !== "false") throw wrong("true, false");
    return text === "true";
  }
  if (about?.type === "size" || about?.type === "integer") {
    const value = about.type === "size" ? parseSize(text) : /^-?\d{1,15}$/.test(text) ? Number(text) : null;
    if (value === null) throw wrong(about.type === "size" ? "a size such as 4MiB" : "a whole number");
    return value;
  }
  return text;
}

function overridden(keys: readonly string[], body: Readonly<Record<string, Value>>): string {
  const now = keys.filter((key) => key in body);
  return now.length === 0 ? "" : `; overridden for this run by a flag, the environment or the configuration file: ${now.join(", ")}`;
}

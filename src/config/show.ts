import { writeFields } from "./fields.ts";
import { flatten } from "./flatten.ts";
import { type Config, options } from "./options.ts";

/** What is shown instead of a secret that is set. */
const blank = "***";

/** The configuration with every secret that is set blanked: for showing, logging and `status`. */
export function withoutSecrets(config: Config): Config {
  const copy = structuredClone(config);
  for (const { path, option } of flatten(options)) {
    if (!option.secret) continue;
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    let into = copy as unknown as Record<string, unknown>;
    for (const key of keys) into = into[key] as Record<string, unknown>;
    if (into[last] !== "") into[last] = blank;
  }
  return copy;
}

/** The whole configuration as YAML that reads back the same, secrets blanked. With `origins`, each line says where its value came from. */
export function configYaml(config: Config, origins: ReadonlyMap<string, string> | null = null): string {
  const yaml = writeFields(options, withoutSecrets(config), "");
  if (origins === null) return yaml;
  const notes = flatten(options).map((named) => `#   ${named.path}: ${origins.get(named.path) ?? "default"}`);
  return `${yaml}\n# Where each value comes from:\n${notes.join("\n")}\n`;
}

import { writeFields } from "./fields.ts";
import { flatten } from "./flatten.ts";
import { type Config, options } from "./options.ts";

/** The whole configuration as YAML that reads back the same. With `origins`, each line says where its value came from. */
export function configYaml(config: Config, origins: ReadonlyMap<string, string> | null = null): string {
  const yaml = writeFields(options, config, "");
  if (origins === null) return yaml;
  const notes = flatten(options).map((named) => `#   ${named.path}: ${origins.get(named.path) ?? "default"}`);
  return `${yaml}\n# Where each value comes from:\n${notes.join("\n")}\n`;
}

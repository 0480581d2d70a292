/**
 * Every option of DittoFS, declared once in `options.ts`: the file key, the environment variable, the flag, the commented
 * template, the JSON schema and the reference page are all made from that declaration. `loadConfig` puts flags, environment,
 * file and defaults together and names key, file and line of whatever is wrong. The environment of the process is read here
 * and nowhere else.
 */
export { describeProblem, type Problem } from "./raw.ts";
export { allOptions, configVariable, defaultConfigPath, type Loaded, loadConfig, type Refused, type Sources } from "./load.ts";
export { type Config, options, type ShareConfig } from "./options.ts";
export { clientsByDefault, loopback } from "./share-options.ts";
export { deriveLimits, type Limits, recordOverheadBytesMax, sharesMax } from "./limits.ts";
export { type Environment, processEnvironment, thisMachine } from "./machine.ts";
export type { Machine } from "./option.ts";
export type { Named } from "./flatten.ts";
export { configReference } from "./reference.ts";
export { configSchema } from "./schema.ts";
export { configTemplate } from "./template.ts";
export { configYaml, withoutSecrets } from "./show.ts";
export { approximateSize, formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { allOptions, configReference, configSchema, configTemplate, configYaml, defaultConfigPath, withoutSecrets } from "#config/index.ts";
import manifest from "../../../package.json" with { type: "json" };
import { isDerived } from "#config/option.ts";
import { load, machine, refuse } from "./support.ts";

const defaults = load({}).config;

test("no option says that it came with a version there has not been", () => {
  const later = allOptions.filter(({ option }) => Bun.semver.order(option.since, manifest.version) > 0);
  expect(later.map(({ path, option }) => `${path} since ${option.since}`)).toEqual([]);
});

test("the template means the defaults", () => {
  expect(load({ file: configTemplate() }).config).toEqual(defaults);
});

test("every option of the template, uncommented, is accepted and explained", () => {
  const written = allOptions.filter(({ option }) => option.fields === null);
  let text = configTemplate();
  text = text.replace(/# shares:\n[^]*$/, (block) => block.replaceAll(/^# /gm, ""));
  for (const { path, option } of written) {
    const value = isDerived(option.default) ? option.example : option.write(option.default);
    const line = `# ${path.split(".").at(-1)}: ${value}\n`;
    expect(text).toContain(line);
    text = text.replace(line, line.slice(2));
  }
  const loaded = load({ file: text });
  for (const named of allOptions) expect(loaded.origins.has(named.path)).toBe(true);
  expect(loaded.config.shares).toEqual(defaults.shares);
});

test("what config show prints reads back the same", () => {
  expect(load({ file: configYaml(defaults) }).config).toEqual(defaults);
  const odd = load({ file: "shares: [{name: '/a b: #', allowed_clients: []}]\ncache: {path: '/tmp/x y', size: 123456789, dirty_limit: 100MB}" }).config;
  expect(load({ file: configYaml(odd) }).config).toEqual(odd);
});

test("secrets have no flag and are shown nowhere", () => {
  const given = { DITTOFS_CONTROLPLANE_SECRET: "a".repeat(32), DITTOFS_ADMIN_INITIAL_PASSWORD: "hush hush", DITTOFS_DATABASE_POSTGRES_PASSWORD: "quiet" };
  const { config, origins, warnings } = load({ env: given });
  expect([config.controlplane.secret, config.admin.initial_password, config.database.postgres.password]).toEqual(Object.values(given));
  expect(warnings).toEqual([]);
  const shown = configYaml(config, origins) + JSON.stringify(withoutSecrets(config));
  for (const secret of Object.values(given)) expect(shown).not.toContain(secret);
  expect(shown).toContain('initial_password: "***"');
  expect(configYaml(defaults)).toContain('initial_password: ""');
  const secrets = allOptions.filter(({ option }) => option.secret);
  expect(secrets.map(({ path, flag, environment }) => [path, flag, environment])).toEqual([
    ["database.postgres.password", null, "DITTOFS_DATABASE_POSTGRES_PASSWORD"],
    ["controlplane.secret", null, "DITTOFS_CONTROLPLANE_SECRET"],
    ["admin.initial_password", null, "DITTOFS_ADMIN_INITIAL_PASSWORD"],
  ]);
});

test("every example is accepted where it stands", () => {
  for (const { path, option } of allOptions) {
    // These don't go without others.
    if (/dirty_limit$|flush_size$|^controlplane\.tls\.|^database\.type$/.test(path)) continue;
    const keys = path.split(".");
    const text = `${keys.map((key, i) => `${"  ".repeat(i)}${key}:`).join("\n")} ${option.example}\n`;
    expect(() => load({ file: text })).not.toThrow();
  }
});

test("names follow from the path, and no two options share one", () => {
  const flags = allOptions.flatMap((named) => named.flag ?? []);
  const variables = allOptions.flatMap((named) => named.environment ?? []);
  expect(new Set(flags).size).toBe(flags.length);
  expect(new Set(variables).size).toBe(variables.length);
  expect(variables).toContain("DITTOFS_ADAPTERS_NFS_PORT");
  expect(variables).toContain("DITTOFS_CACHE_PATH");
  expect(flags).toContain("--nfs-port");
  expect(flags).toContain("--bind");
  expect(flags).toContain("--allow");
  expect(flags).toContain("--data-dir");
});

test("fixed defaults are within their own bounds", () => {
  for (const { path, option } of allOptions) {
    if (isDerived(option.default) || option.fields !== null) continue;
    const keys = path.split(".");
    expect(() => load({ file: `${keys.map((key, i) => `${"  ".repeat(i)}${key}:`).join("\n")} ${option.write(option.default)}\n` })).not.toThrow();
  }
});

test("the schema names every key and closes every record", () => {
  const schema = JSON.stringify(configSchema());
  for (const { path } of allOptions) expect(schema).toContain(`"${path.split(".").at(-1)}":`);
  expect(schema.match(/"additionalProperties":false/g)?.length).toBeGreaterThan(8);
  // The template as it is written: every section is there, with nothing in it.
  expect(configSchema()).toMatchObject({ properties: { server: { type: ["object", "null"] }, adapters: { properties: { nfs: { type: ["object", "null"] } } } } });
});

test("the reference page is up to date", () => {
  const page = readFileSync(join(import.meta.dir, "../../../docs/reference/configuration.md"), "utf8");
  expect(page).toBe(configReference());
});

test("the usual place of the file", () => {
  expect(defaultConfigPath(machine)).toBe("/home/ditto/.config/dittofs/config.yaml");
  expect(refuse({ file: "x: 1" })[0]).toStartWith("config.yaml:1: x: unknown key");
});

import { existsSync } from "node:fs";
import type { Loaded } from "#config/index.ts";
import { ExitStatus, type Instance } from "../../ports.ts";
import { type Call, contextsPath, type Verb } from "../../remote/index.ts";
import { addConfigFlags, loadFor, offlineOf } from "../../settings.ts";
import { printable } from "../../table.ts";
import { checkControlPlane } from "./control-plane.ts";
import { checkDirectory, checkPrivate } from "./directory.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";
import { checkClock, checkLimits } from "./machine.ts";
import { checkPorts } from "./ports.ts";

export const doctor: Verb = {
  name: "doctor",
  summary: "Check ports, clock, data directory, disk, limits, secrets, the control plane and its stores, and say what to do. Exit status 1 where something fails.",
  examples: ["dittofs doctor", "dittofs doctor --data-dir /srv/dittofs --nfs-port 2049 -o json"],
  extend: addConfigFlags,
  async run(call) {
    const loaded = loadFor(call.command, call.context);
    if (typeof loaded === "number") return ExitStatus.usage;
    const findings = await examine(call, loaded);
    if (call.format === "table") call.terminal.out(findings.map((one) => describe(one, call.colours)).join(""));
    else call.list(findings, []);
    return findings.some((one) => one.result === "fail") ? ExitStatus.failed : ExitStatus.ok;
  },
};

async function examine(call: Call, loaded: Loaded): Promise<readonly Finding[]> {
  const { config } = loaded;
  const { instance, trouble } = await find(call, config.data_dir);
  return [
    ok("configuration", loaded.file ?? "no file, the defaults"),
    ...loaded.warnings.map((text) => warn("configuration", text, "dittofs config show --origins says where each value comes from")),
    ...trouble,
    ...checkDirectory("data directory", config.data_dir),
    ...(config.cache.path === "" ? [] : checkDirectory("cache directory", config.cache.path)),
    ...(await checkSecrets(call, loaded)),
    await checkDatabase(call, loaded),
    ...(await checkPorts(config, instance)),
    checkClock(config.data_dir, call.context.clock),
    ...checkLimits(config, instance),
    ...(await checkControlPlane(call, config, instance)),
  ];
}

async function find(call: Call, dataDirectory: string): Promise<{ readonly instance: Instance | null; readonly trouble: readonly Finding[] }> {
  try {
    return { instance: (await call.context.server()).find(dataDirectory), trouble: [] };
  } catch (error) {
    return { instance: null, trouble: [fail("server", `whether one runs on ${dataDirectory} can't be seen: ${(error as Error).message}`, "run this as the user the server runs as")] };
  }
}

async function checkSecrets(call: Call, loaded: Loaded): Promise<readonly Finding[]> {
  const { secretFile, databaseFile, initialPasswordFile: initial } = (await offlineOf(call.context)).places(loaded);
  return [
    ...(secretFile === null ? [] : checkPrivate("secret", secretFile)),
    ...(databaseFile === null ? [] : checkPrivate("database", databaseFile)),
    ...(initial === null || !existsSync(initial) ? [] : [warn("first password", `${initial} still holds the first administrator's password`, "log in with it, change it, and delete the file")]),
    ...checkPrivate("log-ins", contextsPath(call.context.environment)),
  ];
}

/** A server's database or, where none runs, the one that it would find. */
async function checkDatabase(call: Call, loaded: Loaded): Promise<Finding> {
  const check = "control-plane database";
  const { database } = loaded.config;
  try {
    const found = await (await offlineOf(call.context)).examine(loaded);
    return ok(check, found ?? `${database.type === "sqlite" ? database.sqlite.path : database.postgres.database} is not there yet; the server makes it at its first start`);
  } catch (error) {
    const advice = database.type === "sqlite" ? "run this as the user the server runs as; if the file is lost or broken: dittofs restore controlplane --input FILE" : "see that PostgreSQL runs and is reached from here, and look at database.postgres in dittofs config show --origins";
    return fail(check, (error as Error).message, advice);
  }
}

const marks = { ok: "\u001b[32mok  \u001b[0m", warn: "\u001b[33mwarn\u001b[0m", fail: "\u001b[31mfail\u001b[0m" } as const;

function describe({ check, result, found, advice }: Finding, colours: boolean): string {
  const line = `${colours ? marks[result] : result.padEnd(4)}  ${printable(check)}: ${printable(found)}\n`;
  return advice === null ? line : `${line}      what to do: ${printable(advice)}\n`;
}

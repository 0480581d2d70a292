import { describe, expect, test } from "bun:test";
import type { ControlError } from "#control/errors.ts";
import { openKit, root } from "./kit.ts";
import { refusal } from "./sessions/world.ts";

const change = { replace: false, dryRun: false };
const replace = { replace: true, dryRun: false };

async function faultsOf(work: Promise<unknown>): Promise<Readonly<Record<string, string>>> {
  return work.then(
    () => ({}),
    (error: ControlError) => Object.fromEntries(error.fields.map(({ field, message }) => [field, message])),
  );
}

describe("adapters", () => {
  test("say of every setting what it may be, out of the configuration's own declaration", async () => {
    const { adapters } = await openKit();
    expect(adapters.about("nfs").map(({ key, type, default: value }) => [key, type, value])).toEqual([
      ["bind", "text", "0.0.0.0"],
      ["max_read_size", "size", 2 ** 20],
      ["max_write_size", "size", 2 ** 20],
      ["max_connections", "integer", 16384],
      ["portmapper_enabled", "boolean", false],
      ["portmapper_port", "integer", 10111],
    ]);
  });

  test("take some settings or all, and say of each what is wrong", async () => {
    const { adapters, runtime } = await openKit();
    await adapters.setSettings(root, "nfs", { max_read_size: "4MiB", max_connections: 7 }, change, 1);
    expect(runtime.desired.adapters[0]).toMatchObject({ port: 12049, settings: { max_read_size: 4 * 2 ** 20, max_connections: 7, max_write_size: 2 ** 20 } });
    expect((await adapters.setSettings(root, "nfs", { max_connections: 8 }, replace, 2)).settings).toMatchObject({ max_read_size: 2 ** 20, max_connections: 8 });
    const faults = await faultsOf(adapters.setSettings(root, "nfs", { max_read_sise: 1, max_write_size: 1, bind: "host", max_connections: 0.5, portmapper_enabled: "maybe", portmapper_port: 99999 }, change, null));
    expect(Object.keys(faults)).toEqual(["max_read_sise", "max_write_size", "bind", "max_connections", "portmapper_enabled", "portmapper_port"]);
    expect(faults["max_read_sise"]).toContain("did you mean max_read_size?");
    expect(faults["max_write_size"]).toContain("from 4KiB to 16MiB");
    expect(await refusal(adapters.setSettings(root, "nfs", {}, change, 1))).toBe("changed_meanwhile");
  });

  test("say what would come of settings without taking them", async () => {
    const { adapters, runtime } = await openKit();
    const asked = runtime.asked.length;
    expect((await adapters.setSettings(root, "nfs", { max_connections: 7 }, { replace: false, dryRun: true }, null)).settings["max_connections"]).toBe(7);
    expect(await refusal(adapters.setSettings(root, "nfs", { max_connections: 0 }, { replace: false, dryRun: true }, null))).toBe("invalid_value");
    expect([adapters.get("nfs").settings["max_connections"], adapters.get("nfs").version, runtime.asked.length]).toEqual([16384, 1, asked]);
  });

  test("put one setting back, or all", async () => {
    const { adapters } = await openKit();
    await adapters.setSettings(root, "nfs", { max_connections: 7, max_read_size: 8192 }, change, null);
    expect((await adapters.reset(root, "nfs", "max_connections")).settings).toMatchObject({ max_connections: 16384, max_read_size: 8192 });
    expect((await adapters.reset(root, "nfs", null)).settings["max_read_size"]).toBe(2 ** 20);
    expect(Object.keys(await faultsOf(adapters.reset(root, "nfs", "port")))).toEqual(["setting"]);
  });

  test("show what this run overrides, and keep the row beneath it", async () => {
    const adapterOverrides = new Map([["nfs", { port: 2049, settings: { bind: "127.0.0.1" } }]] as const);
    const { adapters, runtime, database } = await openKit({ adapterOverrides });
    expect(adapters.get("nfs")).toMatchObject({ port: 2049, enabled: true, settings: { bind: "127.0.0.1" }, overridden: ["port", "bind"] });
    expect(runtime.desired.adapters[0]).toMatchObject({ port: 2049, settings: { bind: "127.0.0.1" } });
    expect((await adapters.edit(root, "nfs", { port: 7000 }, null)).port).toBe(2049);
    const { adapters: next } = await openKit({ database });
    expect(next.get("nfs")).toMatchObject({ port: 7000, settings: { bind: "0.0.0.0" }, overridden: [] });
  });

  test("that can't be what was asked for stay as they were", async () => {
    const { adapters, runtime, audit } = await openKit();
    runtime.failing.set("adapter nfs", "port 111 can't be had: another program listens there");
    const error = await adapters.edit(root, "nfs", { port: 111 }, null).catch((thrown: ControlError) => thrown);
    expect(error).toMatchObject({ code: "conflict", message: "Adapter nfs: port 111 can't be had: another program listens there", hint: "Nothing was changed." });
    expect([adapters.get("nfs").port, runtime.desired.adapters[0]?.port]).toEqual([12049, 12049]);
    const { entries } = await audit.list({ newestFirst: true, offset: 0, limit: 2 });
    expect(entries.map(({ action }) => action)).toEqual(["adapters.edit.undone", "adapters.edit"]);
    expect(entries[0]).toMatchObject({ before: { port: 111 }, after: { port: 12049, reason: expect.stringContaining("another program") } });
    // With nothing to change it is tried again.
    expect(await refusal(adapters.edit(root, "nfs", { enabled: true }, null))).toBe("conflict");
    runtime.failing.clear();
    expect(await refusal(adapters.edit(root, "nfs", { enabled: true }, null))).toBe(null);
  });

  test("refuse values that don't go together", async () => {
    const { adapters } = await openKit({ checkAdapter: (plan) => (Number(plan.settings["max_write_size"]) > 2 ** 22 ? [{ field: "max_write_size", message: "must fit" }] : []) });
    expect(await faultsOf(adapters.setSettings(root, "nfs", { portmapper_enabled: true, portmapper_port: 12049 }, change, null))).toEqual({ portmapper_port: "must differ from the adapter's port" });
    expect(await faultsOf(adapters.setSettings(root, "nfs", { max_write_size: "8MiB" }, change, null))).toEqual({ max_write_size: "must fit" });
    expect(Object.keys(await faultsOf(adapters.edit(root, "nfs", { port: 65536 }, null)))).toEqual(["port"]);
    expect(await faultsOf(adapters.setSettings(root, "smb", { min_dialect: "SMB3_00", max_dialect: "SMB2_10" }, change, null))).toEqual({ min_dialect: "must not be newer than max_dialect" });
  });

  test("go with their settings and come back without", async () => {
    const { adapters, runtime, database } = await openKit();
    await adapters.setSettings(root, "nfs", { max_connections: 7 }, change, null);
    await adapters.delete(root, "nfs", 2);
    expect([runtime.desired.adapters, adapters.list()].map((list) => list.map(({ type }) => type))).toEqual([["smb"], ["smb"]]);
    for (const work of [() => adapters.get("nfs"), () => adapters.about("nfs")]) expect(work).toThrow(expect.objectContaining({ code: "not_found" }));
    const { adapters: next } = await openKit({ database });
    expect(next.list().map(({ type }) => type)).toEqual(["smb"]);
    expect(await next.create(root, { type: "nfs", port: 5 })).toMatchObject({ port: 5, enabled: true, settings: { max_connections: 16384 }, version: 1 });
    expect(await refusal(next.create(root, { type: "nfs" }))).toBe("already_exists");
    expect(await refusal(next.create(root, { type: "ftp" as "nfs" }))).toBe("invalid_value");
  });
});

describe("settings", () => {
  test("take effect at once and go back to what the configuration says", async () => {
    const { settings, runtime } = await openKit({ settingDefaults: { "logging.level": "warn", "logging.slow_operations": "0s" } });
    expect(runtime.desired.logging).toEqual({ level: "warn", slowMs: 0 });
    expect(await settings.set(root, "logging.level", "debug", 0)).toMatchObject({ value: "debug", default: "warn", version: 1, allowed: "debug, info, warn, error" });
    expect(runtime.desired.logging.level).toBe("debug");
    expect(await refusal(settings.set(root, "logging.level", "info", 0))).toBe("changed_meanwhile");
    expect(await faultsOf(settings.set(root, "logging.level", "debgu", null))).toEqual({ value: expect.stringContaining("did you mean debug?") });
    await settings.reset(root, "logging.level", 1);
    expect([runtime.desired.logging.level, settings.get("logging.level").version]).toEqual(["warn", 0]);
    expect(() => settings.get("loging.level")).toThrow(expect.objectContaining({ code: "not_found", hint: "Did you mean logging.level?" }));
    expect(() => settings.get("constructor")).toThrow(expect.objectContaining({ code: "not_found" }));
  });
});

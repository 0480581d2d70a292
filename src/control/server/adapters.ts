import { smbDialects } from "#config/adapter-options.ts";
import { alreadyExists, checkVersion, Faults, meant, notFound, oneOfFault } from "../checks.ts";
import { type Core, type Effect, make } from "../core.ts";
import type { Row } from "../database/columns.ts";
import { tables } from "../database/tables.ts";
import type { Actor, Adapter, AdapterType, SettingAbout, SettingValue } from "../nouns.ts";
import type { FieldError } from "../errors.ts";
import type { AdapterPlan } from "../runtime.ts";
import type { Adapters, IfVersion } from "../services.ts";
import type { Change } from "../state/index.ts";
import { aboutSettings, adapterTypes, columnFault, defaultOf, readSettings, settingsOf } from "./adapter-settings.ts";

type AdapterRow = Row<typeof tables.adapters>;
type Settings = Readonly<Record<string, SettingValue>>;

/** What flag, environment or file say of an adapter: it wins over the row for this run. */
export interface AdapterOverride {
  readonly enabled?: boolean;
  readonly port?: number;
  readonly settings: Settings;
}
export type AdapterOverrides = ReadonlyMap<AdapterType, AdapterOverride>;

export interface AdaptersParts extends Core {
  readonly overrides: AdapterOverrides;
  /** What is wrong with an adapter's values together with the rest of the configuration. */
  readonly checkTogether: (plan: AdapterPlan) => readonly FieldError[];
}

export class AdapterService implements Adapters {
  private readonly parts: AdaptersParts;

  constructor(parts: AdaptersParts) {
    this.parts = parts;
  }

  list(): readonly Adapter[] {
    return this.parts.state.adapters.all().map((row) => this.view(row));
  }

  get(type: AdapterType): Adapter {
    return this.view(this.row(type));
  }

  /** As they should run. */
  plans(): readonly AdapterPlan[] {
    return this.parts.state.adapters.all().map((row) => this.planOf(row));
  }

  /** As it would run, where it isn't there. */
  plan(type: AdapterType): AdapterPlan {
    return this.planOf(this.parts.state.adapters.get(type) ?? { type, enabled: false, port: defaultOf(type, "port") as number, settings: {} });
  }

  async create(actor: Actor, adapter: { readonly type: AdapterType; readonly enabled?: boolean; readonly port?: number }): Promise<Adapter> {
    const { type } = adapter;
    await this.change(actor, "create", type, (draft) => {
      const faults = new Faults();
      faults.check("type", oneOfFault(type, adapterTypes));
      faults.refuse("adapter");
      if (this.parts.state.adapters.get(type) !== null) throw alreadyExists("adapter", type);
      const row = { type, enabled: adapter.enabled ?? true, port: adapter.port ?? (defaultOf(type, "port") as number), settings: {} };
      this.check(row);
      draft.insert(tables.adapters, row);
    });
    return this.get(type);
  }

  async edit(actor: Actor, type: AdapterType, change: { readonly enabled?: boolean; readonly port?: number }, ifVersion: IfVersion): Promise<Adapter> {
    const done = await this.change(actor, "edit", type, (draft) => {
      const row = this.row(type);
      checkVersion(ifVersion, row, `adapter ${type}`);
      this.check({ ...row, ...change });
      draft.update(tables.adapters, row, change);
    });
    // Nothing to change, but it does not run: somebody has made room for it and wants it tried again.
    if (done === null && this.plan(type).enabled && !this.parts.runtime.adapter(type).running) await this.parts.effects.retry({ type: "adapter", name: type });
    return this.get(type);
  }

  async delete(actor: Actor, type: AdapterType, ifVersion: IfVersion): Promise<void> {
    await this.change(
      actor,
      "delete",
      type,
      (draft) => {
        const row = this.row(type);
        checkVersion(ifVersion, row, `adapter ${type}`);
        draft.remove(tables.adapters, row);
      },
      "keep",
    );
  }

  about(type: AdapterType): readonly SettingAbout[] {
    return aboutSettings(this.row(type).type as AdapterType);
  }

  async setSettings(
    actor: Actor,
    type: AdapterType,
    values: Settings,
    how: { readonly replace: boolean; readonly dryRun: boolean },
    ifVersion: IfVersion,
  ): Promise<Adapter> {
    const decide = () => {
      const row = this.row(type);
      checkVersion(ifVersion, row, `adapter ${type}`);
      const faults = new Faults();
      const read = readSettings(type, values, faults);
      faults.refuse(`settings of adapter ${type}`);
      const settings = how.replace ? read : { ...(row.settings as Settings), ...read };
      this.check({ ...row, settings });
      return { row, settings };
    };
    if (how.dryRun) {
      const { row, settings } = decide();
      return this.view({ ...row, settings });
    }
    await this.change(actor, "set_settings", type, (draft) => {
      const { row, settings } = decide();
      draft.update(tables.adapters, row, { settings });
    });
    return this.get(type);
  }

  async reset(actor: Actor, type: AdapterType, setting: string | null): Promise<Adapter> {
    await this.change(actor, "reset", type, (draft) => {
      const row = this.row(type);
      const settings = { ...(row.settings as Settings) };
      const names = Object.keys(settingsOf(type));
      if (setting !== null && !names.includes(setting)) {
        const faults = new Faults();
        faults.add("setting", `${JSON.stringify(setting.slice(0, 64))} is no setting of ${type}${meant(setting, names)}`);
        faults.refuse(`adapter ${type}`);
      }
      for (const name of setting === null ? names : [setting]) delete settings[name];
      this.check({ ...row, settings });
      draft.update(tables.adapters, row, { settings });
    });
    return this.get(type);
  }

  private change(actor: Actor, verb: string, type: AdapterType, draft: Change["make"], onFailure: Effect["onFailure"] = "undo"): ReturnType<typeof make> {
    const view = () => {
      const row = this.parts.state.adapters.get(type);
      // What this run overrides is no part of the change.
      return row === null ? null : { ...row };
    };
    const change = { actor, action: `adapters.${verb}`, target: { type: "adapter", name: type }, view, make: draft };
    return make(this.parts, change, { target: { type: "adapter", name: type }, onFailure });
  }

  private row(type: AdapterType): AdapterRow {
    const row = this.parts.state.adapters.get(type);
    if (row !== null) return row;
    throw notFound("adapter", type, adapterTypes.filter((one) => this.parts.state.adapters.get(one) !== null));
  }

  private view(row: AdapterRow): Adapter {
    const type = row.type as AdapterType;
    const override = this.parts.overrides.get(type);
    const overridden = override === undefined ? [] : [...(["enabled", "port"] as const).filter((name) => override[name] !== undefined), ...Object.keys(override.settings)];
    const { version, createdAt, updatedAt } = row;
    return { ...this.planOf(row), overridden, version, createdAt, updatedAt };
  }

  /** The row, and over it what this run says. */
  private planOf(row: Pick<AdapterRow, "type" | "enabled" | "port" | "settings">): AdapterPlan {
    const type = row.type as AdapterType;
    const override = this.parts.overrides.get(type);
    const defaults = Object.fromEntries(Object.keys(settingsOf(type)).map((name) => [name, defaultOf(type, name)]));
    return {
      type,
      enabled: override?.enabled ?? row.enabled,
      port: override?.port ?? row.port,
      settings: { ...defaults, ...(row.settings as Settings), ...override?.settings },
    };
  }

  private check(row: Pick<AdapterRow, "type" | "enabled" | "port" | "settings">): void {
    const type = row.type as AdapterType;
    const faults = new Faults();
    faults.check("enabled", columnFault(type, "enabled", row.enabled));
    faults.check("port", columnFault(type, "port", row.port));
    faults.refuse(`adapter ${type}`);
    const plan = this.planOf(row);
    const { portmapper_enabled: portmapper, portmapper_port: port } = plan.settings;
    if (portmapper === true && port !== 0 && port === plan.port) faults.add("portmapper_port", "must differ from the adapter's port");
    const { min_dialect: oldest, max_dialect: newest } = plan.settings;
    const dialects: readonly unknown[] = smbDialects;
    if (dialects.indexOf(oldest) > dialects.indexOf(newest)) faults.add("min_dialect", "must not be newer than max_dialect");
    for (const { field, message } of this.parts.checkTogether(plan)) faults.add(field, message);
    faults.refuse(`adapter ${type}`);
  }
}

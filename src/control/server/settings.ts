import { options } from "#config/options.ts";
import { parseDuration } from "#config/units.ts";
import { integer, type Option } from "#config/option.ts";
import { checkVersion, Faults, notFound } from "../checks.ts";
import { type Core, make } from "../core.ts";
import { tables } from "../database/tables.ts";
import type { Actor, Setting, SettingValue } from "../nouns.ts";
import type { IfVersion, Settings } from "../services.ts";
import { readValue } from "./adapter-settings.ts";

export interface SettingsParts extends Core {
  /** What holds for a setting without a row: the values of the configuration. */
  readonly defaults: SettingDefaults;
}

/** Days lines of the audit log are kept unless told: a year, and what an audit of that year takes. */
const auditKeepDays = 400;

/** Every setting; each takes effect as soon as it is set. */
const registry = {
  "logging.level": options.logging.fields.level,
  "logging.slow_operations": options.logging.fields.slow_operations,
  "audit.keep_days": integer({ help: "Lines of the audit log are deleted after so many days.", default: auditKeepDays, example: "90", since: "0.1.0", min: 1, max: 36_500 }),
} as const;
export type SettingKey = keyof typeof registry;
/** Of those that the configuration has, too. */
export type SettingDefaults = Readonly<Record<"logging.level" | "logging.slow_operations", string>>;

export class SettingService implements Settings {
  private readonly parts: SettingsParts;

  constructor(parts: SettingsParts) {
    this.parts = parts;
  }

  list(): readonly Setting[] {
    return (Object.keys(registry) as SettingKey[]).map((key) => this.view(key));
  }

  get(key: string): Setting {
    return this.view(known(key));
  }

  value(key: SettingKey): string {
    return this.parts.state.settings.get(key)?.value ?? this.byDefault(key);
  }

  get auditKeepDays(): number {
    return Number(this.value("audit.keep_days"));
  }

  /** 0: none are logged. */
  get slowOperationsMs(): number {
    return parseDuration(this.value("logging.slow_operations")) ?? 0;
  }

  private byDefault(key: SettingKey): string {
    return key === "audit.keep_days" ? String(registry[key].default) : this.parts.defaults[key];
  }

  async set(actor: Actor, key: string, value: string, ifVersion: IfVersion): Promise<Setting> {
    const of = known(key);
    await this.change(actor, "set", of, (draft) => {
      const row = this.parts.state.settings.get(of);
      checkVersion(ifVersion, row ?? { version: 0 }, `setting ${of}`);
      const read = readValue(registry[of] as Option<string | number> as unknown as Option<SettingValue>, value);
      const faults = new Faults();
      if ("fault" in read) faults.add("value", read.fault);
      faults.refuse(`setting ${of}`);
      if (row === null) draft.insert(tables.settings, { key: of, value });
      else draft.update(tables.settings, row, { value });
    });
    return this.view(of);
  }

  async reset(actor: Actor, key: string, ifVersion: IfVersion): Promise<void> {
    const of = known(key);
    await this.change(actor, "reset", of, (draft) => {
      const row = this.parts.state.settings.get(of);
      checkVersion(ifVersion, row ?? { version: 0 }, `setting ${of}`);
      if (row !== null) draft.remove(tables.settings, row);
    });
  }

  private change(actor: Actor, verb: string, key: SettingKey, draft: Parameters<typeof make>[1]["make"]): Promise<unknown> {
    const view = () => this.parts.state.settings.get(key);
    return make(this.parts, { actor, action: `settings.${verb}`, target: { type: "setting", name: key }, view, make: draft });
  }

  private view(key: SettingKey): Setting {
    const row = this.parts.state.settings.get(key);
    const { help, allowed } = registry[key];
    return { key, value: this.value(key), default: this.byDefault(key), help, allowed, version: row?.version ?? 0 };
  }
}

function known(key: string): SettingKey {
  if (Object.hasOwn(registry, key)) return key as SettingKey;
  throw notFound("setting", key, Object.keys(registry));
}

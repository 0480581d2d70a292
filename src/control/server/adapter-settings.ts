import { isDerived, type Option, type Section, type Fields } from "#config/option.ts";
import { options } from "#config/options.ts";
import type { Problem } from "#config/raw.ts";
import { type Faults, meant } from "../checks.ts";
import type { AdapterType, SettingAbout, SettingValue } from "../nouns.ts";

type Declared = Readonly<Record<string, Option<SettingValue>>>;

/** The options of an adapter that are settings of its row, under the names they have there: `portmapper.port` is `portmapper_port`. */
function declared(adapter: Section<Fields>, prefix = ""): Declared {
  const found: Record<string, Option<SettingValue>> = {};
  for (const [name, field] of Object.entries(adapter.fields)) {
    if (field.is === "section") Object.assign(found, declared(field, `${prefix}${name}_`));
    else found[`${prefix}${name}`] = field as Option<SettingValue>;
  }
  return found;
}

/** What a row has a column of its own for. */
const columns = ["enabled", "port"] as const;

const all: Readonly<Record<AdapterType, Declared>> = { nfs: declared(options.adapters.fields.nfs), smb: declared(options.adapters.fields.smb) };

export const adapterTypes = Object.keys(all) as AdapterType[];

export function settingsOf(type: AdapterType): Declared {
  return Object.fromEntries(Object.entries(all[type]).filter(([name]) => !columns.includes(name as (typeof columns)[number])));
}

export function defaultOf(type: AdapterType, name: string): SettingValue {
  const value = all[type][name]?.default;
  if (value === undefined || isDerived(value)) throw new Error(`the default of ${type}.${name} is no plain value`);
  return value;
}

export function aboutSettings(type: AdapterType): readonly SettingAbout[] {
  return Object.entries(settingsOf(type)).map(([key, option]) => ({
    key,
    type: kindOf(option),
    default: defaultOf(type, key),
    allowed: option.allowed,
    help: option.help,
  }));
}

function kindOf(option: Option<SettingValue>): SettingAbout["type"] {
  const { type } = option;
  return type === "integer" || type === "size" || type === "boolean" ? type : "text";
}

/** Reads values by setting; complaints go to `faults`, each under the setting's name. */
export function readSettings(type: AdapterType, given: Readonly<Record<string, SettingValue>>, faults: Faults): Readonly<Record<string, SettingValue>> {
  const declaredSettings = settingsOf(type);
  const names = Object.keys(declaredSettings);
  const values: Record<string, SettingValue> = {};
  for (const [name, value] of Object.entries(given)) {
    const option = Object.hasOwn(declaredSettings, name) ? declaredSettings[name] : undefined;
    if (option === undefined) faults.add(name.slice(0, 64), `is unknown${meant(name, names)} (allowed here: ${names.join(", ")})`);
    else {
      const read = readValue(option, value);
      if ("fault" in read) faults.add(name, read.fault);
      else values[name] = read.value;
    }
  }
  return values;
}

/** One value through its option's own declaration, which holds the bounds. */
export function readValue(option: Option<SettingValue>, value: SettingValue): { readonly value: SettingValue } | { readonly fault: string } {
  const problems: Problem[] = [];
  const read = option.read({ is: "scalar", at: "", value }, "", problems);
  return read === undefined ? { fault: problems.map(({ message }) => message).join("; ") } : { value: read };
}

/** A column's value through its option's declaration. */
export function columnFault(type: AdapterType, name: (typeof columns)[number], value: SettingValue): string | null {
  const option = all[type][name];
  if (option === undefined) throw new Error(`${type} has no ${name}`);
  const read = readValue(option, value);
  return "fault" in read ? read.fault : null;
}

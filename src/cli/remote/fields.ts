import { Kind, type TObject, type TSchema } from "@sinclair/typebox";
import { parseSize } from "#config/index.ts";
import { UsageError } from "./failure.ts";

/** How a flag's text is read where the schema of the field it fills doesn't say: a size in bytes, a mode in octal, a list of protocols, an object. */
export type Reading = "size" | "mode" | "protocols";

/** Where a field's schema comes from: the route's body, else its query. */
export function fieldSchema(shape: TSchema, field: string): TSchema | null {
  return ((shape as TObject).properties?.[field] as TSchema | undefined) ?? null;
}

const kindOf = (schema: TSchema): string => schema[Kind];
const alternatives = (schema: TSchema): readonly TSchema[] => (kindOf(schema) === "Union" ? (schema["anyOf"] as TSchema[]) : [schema]);

/** The words a field takes, or null: it is no choice. */
export function choicesOf(schema: TSchema): readonly string[] | null {
  const words = alternatives(schema).flatMap((one) => (kindOf(one) === "Literal" && typeof one["const"] === "string" ? [one["const"] as string] : []));
  return words.length > 0 && words.length === alternatives(schema).length ? words : null;
}

export interface FieldText {
  /** For complaints: `--uid`. */
  readonly flag: string;
  readonly as?: Reading | undefined;
  /** The word that stands for null. */
  readonly nullWord?: string | undefined;
}

/** The value a field takes from what was typed; throws UsageError that names the flag. */
export function readField(schema: TSchema, given: string, about: FieldText): unknown {
  const inner = alternatives(schema).filter((one) => kindOf(one) !== "Null");
  if (about.nullWord !== undefined && given === about.nullWord) return null;
  const wrong = (allowed: string) => new UsageError(`${about.flag}: ${JSON.stringify(given)} is not allowed here; allowed: ${allowed}${about.nullWord === undefined ? "" : `, or ${about.nullWord}`}`);
  if (about.as === "size") return parseSize(given) ?? fail(wrong("a size such as 512MB or 10GiB"));
  if (about.as === "mode") return /^0?[0-7]{1,4}$/.test(given) ? Number.parseInt(given, 8) : fail(wrong("a mode in octal such as 0755 or 1777"));
  if (about.as === "protocols") return protocols(given, wrong);
  const choices = choicesOf(schema);
  if (choices !== null) return choices.includes(given) ? given : fail(wrong(choices.join(", ")));
  const [only] = inner;
  switch (only === undefined ? "" : kindOf(only)) {
    case "Integer":
      return /^-?\d{1,15}$/.test(given) ? Number(given) : fail(wrong("a whole number"));
    case "Boolean":
      return given === "true" || given === "false" ? given === "true" : fail(wrong("true, false"));
    case "Array":
      return given.split(",").map((one) => one.trim()).filter((one) => one !== "");
    default:
      return given;
  }
}

function fail(error: UsageError): never {
  throw error;
}

function protocols(given: string, wrong: (allowed: string) => UsageError): { readonly nfs: boolean; readonly smb: boolean } {
  const words = given.split(",").map((one) => one.trim());
  if (!words.every((one) => ["nfs", "smb", "none"].includes(one)) || (words.includes("none") && words.length > 1)) throw wrong("nfs, smb, both with a comma between, or none");
  return { nfs: words.includes("nfs"), smb: words.includes("smb") };
}

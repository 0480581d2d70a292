/** What stands in the place of a secret. */
const blank = "[secret]";

const secretName = /pass(word|phrase|wd)|secret|token|authorization|cookie|credential|private.?key|access.?key|api.?key|master.?key|session.?key|nt.?hash|password.?hash|^(query|parameters|args|values|statement)$/i;

const depthMax = 4;
const causesMax = 4;
const textLengthMax = 2000;

/**
 * The fields of a line without what is named like a secret, and errors as far as they may be shown. Nobody hands a secret to a logger;
 * this is for what an error of a library brings along (the parameters of a statement, the headers of a request) and for the day
 * somebody does.
 */
export function blanked(fields: object): Record<string, unknown> {
  return blankedObject(fields, depthMax);
}

function blankedObject(fields: object, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) shown[name] = secretName.test(name) && isText(value) ? blank : blankedValue(value, depth);
  return shown;
}

/** Numbers, switches and their absence are no secrets whatever they are called. */
function isText(value: unknown): boolean {
  return (typeof value === "string" && value !== "") || (typeof value === "object" && value !== null);
}

function blankedValue(value: unknown, depth: number): unknown {
  if (value instanceof Error) return described(value, causesMax);
  if (typeof value !== "object" || value === null) return typeof value === "bigint" ? String(value) : value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth === 0) return "[…]";
  if (Array.isArray(value)) return value.map((one) => blankedValue(one, depth - 1));
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return value;
  return blankedObject(value, depth - 1);
}

/** Its name, message, frames and causes, and of what else it carries the scalars alone. */
function described(error: Error, causes: number): Record<string, unknown> {
  const { name, message, stack, cause, errors, ...rest } = error as Error & { readonly errors?: unknown };
  const own = Object.entries({ ...rest }).filter(([key, value]) => !["type", "name", "message", "stack", "cause", "errors"].includes(key) && ["string", "number", "boolean"].includes(typeof value) && !secretName.test(key));
  return {
    type: error.constructor.name === "Error" ? name : error.constructor.name,
    message: short(message),
    stack,
    ...Object.fromEntries(own.map(([key, value]) => [key, typeof value === "string" ? short(value) : value])),
    ...(cause instanceof Error && causes > 0 ? { cause: described(cause, causes - 1) } : {}),
    ...(Array.isArray(errors) && causes > 0 ? { errors: errors.slice(0, causesMax).map((one) => (one instanceof Error ? described(one, 0) : typeof one)) } : {}),
  };
}

function short(text: string): string {
  return text.length <= textLengthMax ? text : `${text.slice(0, textLengthMax)}…`;
}

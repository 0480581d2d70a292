import { limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";

const tooLarge = (): Refusal => new Refusal("too_large", `The body is longer than ${limits.bodyBytesMax} bytes.`);

function declaredLength(request: Request): number | null {
  const text = request.headers.get("content-length");
  return text === null ? null : Number(text);
}

/** Refuses a body where a call takes none. */
export function refuseBody(request: Request): void {
  const length = declaredLength(request);
  if (length === 0 || (length === null && !request.headers.has("transfer-encoding"))) return;
  throw new Refusal("invalid_request", "This call takes no body.");
}

/** The body's bytes, read no further than the bound. */
async function readBytes(request: Request): Promise<Uint8Array> {
  const declared = declaredLength(request);
  if (declared !== null && declared > limits.bodyBytesMax) throw tooLarge();
  if (declared !== null) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (request.body !== null) {
    const reader = request.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      length += next.value.byteLength;
      if (length > limits.bodyBytesMax) {
        void reader.cancel();
        throw tooLarge();
      }
      chunks.push(next.value);
    }
  }
  return Buffer.concat(chunks);
}

/** UTF-8 can't hold half a surrogate pair, but an escape in JSON can: no database keeps such text. */
const surrogateEscape = /\\u[dD][89a-fA-F]/;

function wellFormed(key: string, value: unknown): unknown {
  if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) throw new Refusal("invalid_request", "The body holds half a surrogate pair, which is no character.");
  return value;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON value a request brings. */
export async function readJson(request: Request): Promise<unknown> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new Refusal("unsupported_media_type", "The body of this call is JSON.", { hint: "Send it with Content-Type: application/json." });
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(request);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal("invalid_request", "The body ended before it was whole.");
  }
  if (bytes.byteLength === 0) throw new Refusal("invalid_request", "The body is missing.", { hint: "Send a JSON object." });
  try {
    const text = utf8.decode(bytes);
    return surrogateEscape.test(text) ? JSON.parse(text, wellFormed) : JSON.parse(text);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    // The parser's own message repeats what it was given, which may be a secret.
    throw new Refusal("invalid_request", "The body is not JSON in UTF-8.");
  }
}

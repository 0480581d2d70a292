import type { Faults } from "../checks.ts";
import { ControlError } from "../errors.ts";
import type { ConfigValue } from "../nouns.ts";
import type { StoreField } from "./store-types.ts";

type Config = Readonly<Record<string, ConfigValue>>;

/** What can be said of a block store of any type: what is done to content on its way into it, and how much may be asked of it. */
export const wrapperFields: Readonly<Record<string, StoreField>> = {
  compression: field("choice", "Compress content before it is stored, where that pays: zstd, or off.", { values: ["zstd", "off"] }),
  encryption: field("choice", "Encrypt content before it is stored: aes-256-gcm, or off. Takes a key file or a key variable.", { values: ["aes-256-gcm", "off"] }),
  encryption_key_file: field("path", "A file of the server with the master keys, readable by its user alone. Without them the content is lost."),
  encryption_key_env: field("text", "The environment variable of the server that has the master keys, instead of a file."),
  encryption_accept_plain: field("boolean", "Read content that isn't encrypted, too: there is some from before the encryption."),
  limit_requests: field("integer", "Requests a second at most.", { min: 1, max: 1e6 }),
  limit_upload: field("rate", "Bytes stored a second at most, such as 50MiB/s.", { min: 64 * 1024, max: 2 ** 40 }),
  limit_download: field("rate", "Bytes read a second at most, such as 100MiB/s.", { min: 64 * 1024, max: 2 ** 40 }),
};

function field(kind: StoreField["kind"], help: string, more: Partial<StoreField> = {}): StoreField {
  return { kind, help, secret: false, required: false, movesData: false, ...more };
}

const newKey = "make one with: dittofs store block new-key PATH";

function isEncrypted(config: Config): boolean {
  return config["encryption"] === "aes-256-gcm";
}

function hasKeys(config: Config): boolean {
  return config["encryption_key_file"] !== undefined || config["encryption_key_env"] !== undefined;
}

/** What of a block store's values doesn't go together. */
export function checkWrappers(config: Config, faults: Faults): void {
  const variable = config["encryption_key_env"];
  if (variable !== undefined && config["encryption_key_file"] !== undefined) faults.add("config.encryption_key_env", "is given besides encryption_key_file; give one of them");
  if (typeof variable === "string" && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) faults.add("config.encryption_key_env", "must be the name of an environment variable");
  if (isEncrypted(config) && !hasKeys(config)) faults.add("config.encryption_key_file", `is missing: encryption takes a master key. Name its file, or a variable with encryption_key_env; ${newKey}`);
}

/** Refuses a change after which content that is stored could not be read. `users`: the shares that have content there. */
export function refuseLosing(store: string, was: Config, next: Config, users: readonly string[]): void {
  if (users.length === 0) return;
  const refuse = (what: string, hint: string): never => {
    throw new ControlError("in_use", `The block store ${store} holds data of ${users.join(", ")}: ${what}`, { hint });
  };
  for (const name of ["compression", "encryption"]) {
    if (was[name] !== undefined && next[name] === undefined) refuse(`without a value for ${name} what was stored with it could not be read.`, `Say ${name} off instead: new content is stored without it, what there is stays readable.`);
  }
  if (was["encryption"] !== undefined && hasKeys(was) && !hasKeys(next)) refuse("without the master keys what is encrypted could not be read.", "Leave the key file or variable as it is; encryption off stores new content without it.");
  if (isEncrypted(next) && !isEncrypted(was) && next["encryption_accept_plain"] !== true) {
    refuse("what is there is not encrypted, and would not be read any more.", "Give encryption_accept_plain true as well: old content stays readable, new content is encrypted. Or add another store and create new shares on it.");
  }
}

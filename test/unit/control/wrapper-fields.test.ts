import { describe, expect, test } from "bun:test";
import { Faults } from "#control/checks.ts";
import { readConfig, storeTypes } from "#control/storage/store-types.ts";
import { checkWrappers, refuseLosing } from "#control/storage/wrapper-fields.ts";
import type { ConfigValue } from "#control/nouns.ts";

type Config = Readonly<Record<string, ConfigValue>>;
const keys = { encryption_key_file: "/etc/keys" };
const on = { encryption: "aes-256-gcm", ...keys };

function faultsOf(given: Config): readonly string[] {
  const faults = new Faults();
  const { config } = readConfig(storeTypes.block["filesystem"] ?? {}, given, { config: {}, secrets: {} }, faults);
  checkWrappers(config, faults);
  try {
    faults.refuse("block store");
  } catch (error) {
    return (error as { fields: readonly { field: string; message: string }[] }).fields.map(({ field, message }) => `${field} ${message}`);
  }
  return [];
}

describe("what is said of compression, encryption and limits", () => {
  test("is taken where it goes together", () => {
    for (const given of [{ compression: "zstd" }, on, { encryption: "aes-256-gcm", encryption_key_env: "KEYS" }, { limit_upload: "50MiB/s", limit_download: "1GiB", limit_requests: 100 }, { encryption: "off" }]) expect(faultsOf(given)).toEqual([]);
  });

  test("is refused by name where it doesn't", () => {
    for (const [given, field] of [
      [{ compression: "gzip" }, "config.compression must be zstd or off"],
      [{ encryption: true }, "config.encryption must be aes-256-gcm or off"],
      [{ encryption: "aes-256-gcm" }, "config.encryption_key_file is missing"],
      [{ ...on, encryption_key_env: "KEYS" }, "config.encryption_key_env is given besides"],
      [{ encryption_key_env: "not a name" }, "config.encryption_key_env must be the name"],
      [{ encryption_key_file: "keys" }, "config.encryption_key_file must be an absolute path"],
      [{ limit_upload: "1KiB/s" }, "config.limit_upload must be bytes a second"],
      [{ limit_requests: 0 }, "config.limit_requests must be a whole number"],
    ] as const) {
      expect(faultsOf(given)).toEqual([expect.stringContaining(field)]);
    }
  });

  test("is not changed under content that could not be read afterwards", () => {
    const refused = (was: Config, next: Config, users = ["/a"]) => {
      try {
        refuseLosing("b", was, next, users);
      } catch (error) {
        return (error as Error).message;
      }
      return null;
    };
    expect(refused({ compression: "zstd" }, {})).toContain("without a value for compression");
    expect(refused({ compression: "zstd" }, { compression: "off" })).toBeNull();
    expect(refused({ compression: "zstd" }, {}, [])).toBeNull();
    expect(refused(on, {})).toContain("without a value for encryption");
    expect(refused(on, { encryption: "off" })).toContain("without the master keys");
    expect(refused(on, { encryption: "off", ...keys })).toBeNull();
    expect(refused({}, on)).toContain("is not encrypted");
    expect(refused({ encryption: "off", ...keys }, on)).toContain("is not encrypted");
    expect(refused({}, { ...on, encryption_accept_plain: true })).toBeNull();
    expect(refused(on, { ...on, encryption_key_file: "/elsewhere" })).toBeNull();
  });
});

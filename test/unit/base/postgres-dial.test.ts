import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { dial } from "#base/postgres/dial.ts";
import { PostgresFailure } from "#base/postgres/terms.ts";
import { storeTerms } from "#metadata/postgres/errors.ts";

test("a host with a user and a password in front of it is refused without being repeated", async () => {
  for (const host of ["app:hunter2@127.0.0.1", "postgres://app:hunter2@127.0.0.1/db"]) {
    const error: unknown = await dial({ host, port: 1, sslmode: "disable", sslRootCert: null, terms: storeTerms }, systemClock).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PostgresFailure);
    const { message, passing } = error as PostgresFailure;
    expect(message).not.toContain("hunter2");
    expect([passing, message]).toEqual([false, expect.stringMatching(/--host .*--user and --password/)]);
  }
});

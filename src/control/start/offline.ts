import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { passwordChange } from "../access/index.ts";
import { notFound } from "../checks.ts";
import type { ControlDatabase } from "../database/port.ts";
import { tables } from "../database/tables.ts";
import { generatePassword, type Passwords } from "../passwords/index.ts";
import type { Keyring } from "../secrets/index.ts";
import { Changes, State } from "../state/index.ts";

export interface OfflineParts {
  readonly passwords: Passwords;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Sets a user's password straight in the database, for whoever has lost the last admin's: a readable one is made unless one is
 * given, and has to be changed at the next log-in then; a user that was disabled is enabled. Gives the password. A server that runs on SQLite must be stopped first.
 */
export async function resetPasswordOffline(database: ControlDatabase, parts: OfflineParts, user: string, given: string | null = null): Promise<string> {
  const state = new State();
  await state.load(database);
  const row = state.users.by("name", user);
  if (row === null) throw notFound("user", user, state.users.all().map(({ name }) => name));
  const password = given ?? generatePassword(parts.random);
  const hashed = await parts.passwords.hash(password);
  const changes = new Changes(state, database, parts.clock, silentLogger);
  const change = passwordChange(state, parts.keyring, { name: "offline", address: "" }, row.id, hashed, given === null);
  await changes.run({
    ...change,
    make(draft) {
      const now = state.users.get(row.id);
      if (now?.enabled === false) draft.update(tables.users, now, { enabled: true });
      change.make(draft);
    },
  });
  return password;
}

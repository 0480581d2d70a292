import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { type ControlOptions, openControlPlane } from "../../src/control/index.ts";
import { openSqliteControlDatabase } from "../../src/control/database/index.ts";
import type { ControlDatabase } from "../../src/control/database/port.ts";
import { type Bcrypt, openPasswords } from "../../src/control/passwords/index.ts";
import type { Runtime } from "../../src/control/runtime.ts";
import { openKeyring } from "../../src/control/secrets/index.ts";
import type { ControlPlane } from "../../src/control/services.ts";
import { openLogins } from "../../src/control/sessions/index.ts";
import type { Logger } from "../../src/telemetry/logger.ts";
import { temporary } from "./temporary.ts";

/** bcrypt, at the least cost it has. */
const cheapBcrypt: Bcrypt = {
  hash: (password) => Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 }),
  verify: (password, hash) => Bun.password.verify(password, hash, "bcrypt"),
};

export const controlSecret = "planted-secret-of-the-control-plane-4711";
export const tokenKey = new Uint8Array(32).fill(7);
export const adminPassword = "planted-password-of-admin";

export interface RealControl {
  readonly control: ControlPlane;
  readonly database: ControlDatabase;
  close(): Promise<void>;
}

/** The control plane itself, on SQLite in a directory of its own, over a server that only pretends. The admin need not change the password. */
export async function realControl(runtime: Runtime, logger: Logger): Promise<RealControl> {
  const directory = temporary("api");
  const database = await openSqliteControlDatabase({ path: join(directory, "controlplane.db"), clock: systemClock, logger });
  const passwords = openPasswords({ clock: systemClock, bcrypt: cheapBcrypt });
  const parts = { database, runtime, passwords, clock: systemClock, random: systemRandom, logger };
  const options: ControlOptions = {
    ...parts,
    keyring: await openKeyring(database, controlSecret, systemRandom),
    machine: { memoryBytes: 8 * 2 ** 30, dataHome: directory, configHome: directory },
    dataDirectory: directory,
    clientsByDefault: () => ["127.0.0.0/8", "::1"],
    fileShares: [],
    fileSharesGiven: false,
    adapterOverrides: new Map(),
    settingDefaults: { "logging.level": "info", "logging.slow_operations": "0s" },
    checkAdapter: () => [],
    adminPassword,
    keepAdminPassword: () => {},
    onPasswordSet: () => {},
    resolve: () => Promise.reject(new Error("no DNS here")),
  };
  const opened = await openControlPlane(options);
  await opened.start();
  const logins = await openLogins({ ...parts, db: database, directory: opened.directory, tokenKey, audit: (event) => opened.auditLogin(event) });
  return {
    control: { ...opened.services, logins },
    database,
    async close() {
      await logins.close();
      await opened.close();
      await database.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

import { chmodSync, closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { syncDirectory } from "../process/durable-files.ts";

/** The file of the first administrator's generated password, for who did not see the first start. */
export function adminPasswordFile(dataDirectory: string): string {
  return join(dataDirectory, "admin-password");
}

/** Keeps it until it was changed, for this user's eyes alone. */
export function keepAdminPassword(dataDirectory: string, password: string): string {
  const path = adminPasswordFile(dataDirectory);
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, "wx", 0o600);
  try {
    writeSync(fd, `${password}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  chmodSync(temporary, 0o600);
  renameSync(temporary, path);
  syncDirectory(dirname(path));
  return path;
}

/** Forgets it once it is not the password any more. True: there was one. */
export function forgetAdminPassword(dataDirectory: string): boolean {
  const path = adminPasswordFile(dataDirectory);
  if (!existsSync(path)) return false;
  rmSync(path, { force: true });
  syncDirectory(dataDirectory);
  return true;
}

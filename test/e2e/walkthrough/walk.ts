import { spawn } from "bun";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { startCluster } from "../../support/postgres.ts";
import { binaryPath, projectRoot, temporaryDirectory } from "../../support/server.ts";

/**
 * Runs the README's walk-through word for word: `walk.ts sqlite|postgres`. It is run inside a network namespace of its own,
 * where the default ports are free; the lines that mount run in a guest with a real Linux kernel. Prints what the lines print.
 */

const [databaseType = ""] = process.argv.slice(2);
const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
const section = /^## A walk through\n(.*?)^## /ms.exec(readme)?.[1] ?? "";
const [operator, user, ...more] = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
if (operator === undefined || user === undefined || more.length > 0) throw new Error("the README's walk-through is not two blocks of lines");

const home = temporaryDirectory("walkthrough");
const cluster = databaseType === "postgres" ? await startCluster() : null;
const database = cluster === null ? null : await cluster.database();
const place = {
  HOME: home.path,
  XDG_CONFIG_HOME: join(home.path, ".config"),
  XDG_DATA_HOME: join(home.path, ".local/share"),
  PATH: `${dirname(binaryPath())}:${process.env.PATH ?? ""}`,
};
const databaseOptions: Record<string, string> =
  database === null
    ? {}
    : {
        DITTOFS_DATABASE_TYPE: "postgres",
        DITTOFS_DATABASE_POSTGRES_HOST: database.host,
        DITTOFS_DATABASE_POSTGRES_PORT: String(database.port),
        DITTOFS_DATABASE_POSTGRES_DATABASE: database.database,
        DITTOFS_DATABASE_POSTGRES_USER: database.user,
        DITTOFS_DATABASE_POSTGRES_PASSWORD: database.password,
      };

async function run(command: readonly string[], env: Record<string, string>): Promise<void> {
  const child = spawn([...command], { cwd: home.path, env, stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  const status = await child.exited;
  if (status !== 0) throw new Error(`${command[0]} ended with status ${status}`);
}

const environment = { ...place, ...databaseOptions };
const binary = join(dirname(binaryPath()), "dittofs");
try {
  mkdirSync(place.XDG_CONFIG_HOME, { recursive: true });
  await run(["bash", "-euo", "pipefail", "-c", operator], environment);
  const file = join(place.XDG_CONFIG_HOME, "dittofs/controlplane.db");
  if (existsSync(file) !== (databaseType === "sqlite")) throw new Error(`the control plane was not kept in ${databaseType}`);
  const guest = [`export PATH=${import.meta.dir}:$PATH`, `python3 ${join(import.meta.dir, "relay.py")} $SERVER 12049`, "set -e", user].join("\n");
  const kclient = join(projectRoot, "test/support/kclient.sh");
  await run([kclient, "--none", "--server-port", "12049", "--timeout", "240", "--", guest], { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/root" });
} finally {
  await run([binary, "stop"], environment).catch((error: unknown) => console.log(String(error)));
  await cluster?.stop();
  home.remove();
}

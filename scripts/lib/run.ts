import { build } from "./build.ts";
import { binary } from "./shell.ts";

const passedOn = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Compiles the server and starts it in the foreground, in the directory the caller is in. */
export async function run(args: readonly string[]): Promise<number> {
  const status = await build();
  if (status !== 0) return status;
  const child = Bun.spawn([binary, "start", ...args], { stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  // The terminal sends Ctrl-C to the server itself, too; a signal sent to this process alone has to be passed on.
  for (const signal of passedOn) process.on(signal, () => (signal === "SIGINT" && process.stdin.isTTY ? undefined : child.kill(signal)));
  return await child.exited;
}

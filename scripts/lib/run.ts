import { build } from "./build.ts";
import { binary } from "./shell.ts";

/** Compiles the server and becomes it, in the directory the caller is in: signals reach the server once, and its status is ours. */
export async function run(args: readonly string[]): Promise<number> {
  const status = await build();
  if (status !== 0) return status;
  if (process.execve === undefined) throw new Error("this system doesn't let a program become another one; start dist/dittofs yourself");
  return process.execve(binary, [binary, "start", ...args], process.env);
}

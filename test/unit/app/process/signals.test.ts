import { expect, test } from "bun:test";
import { join } from "node:path";

const program = `
  const { Signals } = await import("#app/process/signals.ts");
  const { silentLogger } = await import("#telemetry/logger.ts");
  const output = process.argv[1] ?? "stderr";
  const signals = new Signals({ ...silentLogger, reopen: () => console.log("reopened"), setLevel() {} }, output, () => {});
  console.log("ready");
  const keepsAlive = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  console.log("first", await signals.first);
  void keepsAlive;
`;

/** Starts a process with a server's signal handling, and sends the next signal at each line it prints. */
async function signalled(output: string, signals: readonly NodeJS.Signals[]): Promise<{ lines: string[]; status: number }> {
  const child = Bun.spawn([process.execPath, "-e", program, output], { cwd: join(import.meta.dir, "../../.."), stdout: "pipe", stderr: "inherit" });
  const lines: string[] = [];
  const left = [...signals];
  let text = "";
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      lines.push(text.slice(0, end));
      text = text.slice(end + 1);
      child.kill(left.shift() ?? "SIGKILL");
    }
  }
  return { lines, status: await child.exited };
}

test("the first signal asks for a stop, the second ends the process at once", async () => {
  expect(await signalled("stderr", ["SIGTERM", "SIGTERM"])).toEqual({ lines: ["ready", "first SIGTERM"], status: 143 });
  expect(await signalled("stderr", ["SIGINT", "SIGINT"])).toEqual({ lines: ["ready", "first SIGINT"], status: 130 });
  expect(await signalled("stderr", ["SIGTERM", "SIGINT"])).toEqual({ lines: ["ready", "first SIGTERM"], status: 130 });
});

test("SIGHUP reopens a log file, and is a stop where there is none", async () => {
  expect(await signalled("/var/log/x", ["SIGHUP", "SIGTERM", "SIGTERM"])).toEqual({ lines: ["ready", "reopened", "first SIGTERM"], status: 143 });
  expect((await signalled("stderr", ["SIGHUP", "SIGTERM"])).lines).toEqual(["ready", "first SIGHUP"]);
});

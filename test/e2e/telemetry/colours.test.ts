import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "bun";
import { join } from "node:path";
import { Pty } from "../../support/pty.ts";
import { binaryPath, Server, serverEnvironment, temporaryDirectory } from "../../support/server.ts";
import { until, within } from "../../support/wait.ts";

/** What the compiled program writes has colours on a terminal, and nowhere else, nor where NO_COLOR says so (https://no-color.org). */

setDefaultTimeout(180_000);

const directory = temporaryDirectory("colours");
afterAll(() => directory.remove());

/** Select graphic rendition: colours and weights. */
const coloured = /\u001b\[[0-9;]*m/;
const plainInfo = /^\[[^\]]+\] INFO: /m;

const environments: readonly (readonly [string, Readonly<Record<string, string | undefined>>, boolean])[] = [
  ["as they are by themselves", { NO_COLOR: undefined, TERM: "xterm-256color" }, true],
  ["with an empty NO_COLOR", { NO_COLOR: "", TERM: "xterm-256color" }, true],
  ["with NO_COLOR", { NO_COLOR: "1", TERM: "xterm-256color" }, false],
  ["with NO_COLOR=0, which is not empty either", { NO_COLOR: "0", TERM: "xterm-256color" }, false],
  ["on a terminal that knows none", { NO_COLOR: undefined, TERM: "dumb" }, false],
];

const start = (name: string) => [binaryPath(), "start", "--data-dir", join(directory.path, name), "--nfs-port", "0"];
const ownEnvironment = { ...serverEnvironment, DITTOFS_LOGGING_FORMAT: "text" };

describe("on a terminal", () => {
  test.each(environments)("lines of the server's log, %s", async (name, env, colours) => {
    const pty = new Pty(start(name.replaceAll(/\W/g, "-")), { ...ownEnvironment, ...env });
    try {
      await until("the server to serve", 30_000, () => (/serving|accept/.test(pty.written) ? true : null));
      pty.process.kill("SIGTERM");
      await within("the end of the server", 20_000, pty.process.exited);
      expect(coloured.test(pty.written)).toBe(colours);
      expect(plainInfo.test(pty.written.replaceAll("\r", ""))).toBe(!colours);
    } finally {
      pty.close();
    }
  });

  test.each(environments)("the findings of dittofs doctor, %s", async (_, env, colours) => {
    const pty = new Pty([binaryPath(), "doctor", "--data-dir", join(directory.path, "nothing")], { ...env, XDG_CONFIG_HOME: directory.path });
    try {
      await within("the end of doctor", 20_000, pty.process.exited);
      await until("all of it", 5000, () => (pty.written.includes("clock") ? true : null));
      expect(coloured.test(pty.written)).toBe(colours);
    } finally {
      pty.close();
    }
  });

  test("no colours where a flag says so", async () => {
    const pty = new Pty([binaryPath(), "doctor", "--no-color", "--data-dir", join(directory.path, "nothing")], { NO_COLOR: undefined, XDG_CONFIG_HOME: directory.path });
    try {
      await within("the end of doctor", 20_000, pty.process.exited);
      await until("all of it", 5000, () => (pty.written.includes("clock") ? true : null));
      expect(pty.written).not.toMatch(coloured);
    } finally {
      pty.close();
    }
  });
});

test("to a pipe neither the log nor a command has colours, whatever TERM is", async () => {
  const environment = { TERM: "xterm-256color", NO_COLOR: "" };
  const server = await Server.start({ dataDir: join(directory.path, "piped"), port: 0, env: { ...environment, DITTOFS_LOGGING_FORMAT: "text" } });
  await server.stop();
  expect(server.output).toMatch(plainInfo);
  expect(server.output).not.toMatch(coloured);
  const { stdout, stderr } = spawnSync([binaryPath(), "doctor", "--data-dir", join(directory.path, "nothing")], { env: { ...Bun.env, ...environment, XDG_CONFIG_HOME: directory.path } });
  expect(stdout.toString()).toContain("clock");
  expect(stdout.toString() + stderr.toString()).not.toMatch(coloured);
});

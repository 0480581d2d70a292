import { spawn } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, createServer, type Server } from "node:net";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { within } from "../../support/wait.ts";

/** smbcquotas against the compiled server. It knows no port but SMB's own, so that one is lent to the server on a loopback address nobody else uses. */

const lentPort = 445;
const address = "127.0.0.44";
const minuteMs = 60_000;

/** Hands connections on to the server; a word: why that can't be. */
function lend(to: () => number): Promise<Server | string> {
  const lent = createServer((client) => {
    const server = connect(to(), "127.0.0.1");
    client.pipe(server).pipe(client);
    client.on("error", () => server.destroy());
    server.on("error", () => client.destroy());
  });
  return new Promise((done) => {
    lent.once("error", (error) => done(`port ${lentPort} of ${address} can't be had (${error.message})`));
    lent.listen(lentPort, address, () => done(lent));
  });
}

let target: Target;
const lent = Bun.which("smbcquotas") === null ? "smbcquotas is not installed" : await lend(() => target.port);
const missing = typeof lent === "string" ? lent : null;
if (missing !== null) console.log(`smbcquotas: skipped, ${missing}`);

async function quotas(...args: string[]): Promise<{ readonly status: number; readonly text: string }> {
  const child = spawn(["smbcquotas", `//${address}/${targetShare}`, "-U", `${targetUser}%${targetPassword}`, ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...Bun.env, SMB_CONF_PATH: "/dev/null" },
  });
  const [out, err, status] = await within(`smbcquotas ${args.join(" ")}`, minuteMs, Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]));
  return { status, text: out + err };
}

// Skipped where there is no smbcquotas, or no such port to be had; the reason is printed above.
describe.skipIf(missing !== null)("smbcquotas", () => {
  beforeAll(async () => {
    target = await startTarget();
  }, 3 * minuteMs);
  afterAll(async () => {
    if (typeof lent !== "string") await new Promise<unknown>((closed) => lent.close(closed));
    await target?.stop();
  });

  for (const args of [["-L"], ["-F"], ["-u", targetUser], ["-S", "FSQFLAGS:QUOTA_ENABLED"], ["-S", `UQLIM:${targetUser}:1000/2000`]]) {
    test(`is told by ${args.join(" ")} that there are no quotas, and takes it calmly`, async () => {
      expect(await quotas(...args)).toEqual({ status: 0, text: "Quotas are not supported by the server.\n" });
    }, 3 * minuteMs);
  }
});

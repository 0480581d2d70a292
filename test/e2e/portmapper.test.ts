import { afterAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { binaryPath, temporaryDirectory } from "../support/server.ts";

/** Debian's own rpcinfo and showmount against the embedded portmapper on its port, 111, in a network namespace of the test's own. */

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "needs root for a network namespace";
  for (const program of ["rpcinfo", "showmount", "unshare", "ip"]) if (Bun.which(program, { PATH: `${Bun.env["PATH"]}:/usr/sbin:/sbin` }) === null) return `needs ${program}`;
  return null;
}

const why = whyNot();
if (why !== null) console.log(`portmapper with rpcinfo and showmount: skipped, ${why}`);

const directory = temporaryDirectory("portmapper");
afterAll(() => directory.remove());

/** Starts a server in a fresh namespace, runs the commands there, each after a line `== command`, and stops the server. */
function inNamespace(commands: readonly string[]): string {
  const script = join(directory.path, "script");
  const data = join(directory.path, "data");
  const asked = commands.map((command) => `echo '== ${command}'; timeout 20 ${command} 2>&1; echo "status $?"`);
  writeFileSync(
    script,
    `PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
${binaryPath()} start --detach --data-dir ${data} --nfs-port 2049 --nfs-portmapper-enabled --nfs-portmapper-port 111 || exit 1
${asked.join("\n")}
echo '== stop'
${binaryPath()} stop --data-dir ${data} >/dev/null; echo "status $?"
`,
  );
  const result = Bun.spawnSync(["unshare", "--net", "sh", script], { stdin: "ignore", stderr: "inherit" });
  return result.stdout.toString();
}

describe.skipIf(why !== null)("rpcinfo and showmount (skipped without root or their packages)", () => {
  const commands = ["rpcinfo -p 127.0.0.1", "rpcinfo -T udp 127.0.0.1 100000", "rpcinfo -T tcp 127.0.0.1 100003 3", "rpcinfo 127.0.0.1", "showmount -e --no-headers 127.0.0.1"];
  let answers = new Map<string, string>();

  test("the server starts and stops there", () => {
    answers = new Map(inNamespace(commands).split("== ").map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1)]));
    expect(answers.get("stop")).toBe("status 0\n");
  });

  for (const command of commands) test(`${command} succeeds`, () => expect(answers.get(command)).toEndWith("status 0\n"));

  test("NFS, MOUNT and the portmapper itself are listed", () => {
    const listed = (answers.get("rpcinfo -p 127.0.0.1") ?? "").split("\n").map((line) => line.trim().split(/\s+/).slice(0, 4).join(" "));
    for (const entry of ["100000 2 tcp 111", "100000 4 udp 111", "100003 3 tcp 2049", "100005 3 tcp 2049"]) expect(listed).toContain(entry);
  });

  test("the share is exported", () => {
    expect(answers.get("showmount -e --no-headers 127.0.0.1")).toMatch(/^\/export\b/);
  });
});

import { spawn } from "bun";
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { NfsClient, NfsError } from "../../support/nfs-client.ts";
import { freePort, projectRoot, Server, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** A real Linux kernel has shares mounted while an operator changes them over REST. */

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "a network namespace needs root";
  if (process.arch !== "x64") return "User-mode Linux is for x86-64";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  for (const tool of ["gcc", "python3", "ip"]) if (Bun.which(tool) === null) return `${tool} is not installed`;
  return null;
}

const why = whyNot();
if (why !== null) console.log(`kernel client under changes: skipped, ${why}`);

const stepMsMax = 60_000;

/** What the guest does; between its steps it leaves a file in /signal and waits for the operator's. */
const work = `
mount_share() { mkdir -p $2 && mount.nfs $SERVER:$1 $2 -o port=$PORT,mountport=$PORT,vers=3,tcp,nolock,noac; }
step() { : > /mnt/signal/done-$1; for i in $(seq 600); do [ -e /mnt/signal/go-$1 ] && return; sleep 0.1; done; echo "no go-$1"; exit 9; }
mount_share /signal /mnt/signal || exit 8
echo content > file; chmod 666 file; touch first
step squash
touch second; echo "owners $(stat -c %u first) $(stat -c %u second)"
step disable
cat file 2>&1; ls . > /dev/null 2>&1 || echo "refused"
step enable
cat file
step grants
cat file; echo more >> file || echo "not written"
step clients
cat file 2>&1 > /dev/null && echo "still let in" || echo "not let in"
step create
mount_share /new /mnt/new && echo "fresh" > /mnt/new/file && cat /mnt/new/file; umount /mnt/new
umount /mnt/signal
`;

// Skipped where a guest can't be had; the reason is printed above.
describe.skipIf(why !== null)("a Linux kernel with shares mounted", () => {
  test("meets each change with its next operation, and mounts what was made meanwhile", async () => {
    const directory = temporaryDirectory("kernel-live");
    const server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort(), args: ["--bind", "127.0.0.1"] });
    try {
      const admin = await Admin.at(server);
      for (const name of ["/live", "/signal"]) await admin.do("POST", "/api/v1/shares", { name, default_permission: "read-write" });
      const guest = spawn([join(projectRoot, "test/support/kclient.sh"), "--nfs", `vers=3,tcp,nolock,noac,mountport=${server.port}`, "--server-port", String(server.port), "--export", "/live", "--timeout", "300", "--", work], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      const output = Promise.all([new Response(guest.stdout).text(), new Response(guest.stderr).text(), guest.exited]);
      const signals = await NfsClient.connect({ port: server.port });
      const place = await signals.mount("/signal");
      const steps: readonly (readonly [string, string, string, object?])[] = [
        ["squash", "PUT", "/api/v1/shares/live", { squash: "none" }],
        ["disable", "POST", "/api/v1/shares/live/disable"],
        ["enable", "POST", "/api/v1/shares/live/enable"],
        ["grants", "PUT", "/api/v1/shares/live", { default_permission: "read" }],
        ["clients", "PUT", "/api/v1/shares/live", { allowed_clients: ["10.9.8.7"], default_permission: "read-write" }],
        ["create", "POST", "/api/v1/shares", { name: "/new", default_permission: "read-write" }],
      ];
      for (const [name, method, path, body] of steps) {
        await Promise.race([until(`the guest's step before ${name}`, stepMsMax, () => there(signals, place, `done-${name}`)), output.then(([out, errors, status]) => Promise.reject(new Error(`the guest ended with ${status}\n${out}\n${errors}`)))]);
        await admin.do(method, path, body);
        await signals.create(place, `go-${name}`, {});
      }
      const [out, errors, status] = await output;
      expect([status, errors]).toEqual([0, ""]);
      const lines = out.trim().split("\n");
      expect(lines[0]).toBe("owners 65534 0");
      expect(lines[1]).toMatch(/cat: file: (Permission denied|Stale file handle)/);
      expect(lines.slice(2, 5)).toEqual(["refused", "content", "content"]);
      expect(lines.slice(5).join("\n")).toMatch(/(Permission denied|Read-only file system)[^]*not written\n[^]*not let in\nfresh$/);
      expect(out).not.toContain("still let in");
      signals.close();
    } finally {
      expect(await server.stop()).toBe(0);
      directory.remove();
    }
  }, 330_000);
});

async function there(client: NfsClient, directory: Uint8Array, name: string): Promise<true | null> {
  try {
    await client.lookup(directory, name);
    return true;
  } catch (error) {
    if (error instanceof NfsError) return null;
    throw error;
  }
}

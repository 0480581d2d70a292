import { spawn, spawnSync } from "bun";
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { missingPostgres } from "../support/postgres.ts";

/** The README's walk-through, word for word, with a real Linux kernel as the client, on both databases. */

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "a network namespace needs root";
  if (process.arch !== "x64") return "User-mode Linux is for x86-64";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  return missingPostgres;
}

const why = whyNot();
if (why !== null) console.log(`walk-through: skipped, ${why}`);

const walkMs = 300_000;

async function walk(databaseType: string): Promise<string> {
  const namespace = `dittofs-walk-${process.pid}`;
  const made = spawnSync(["ip", "netns", "add", namespace]);
  if (made.exitCode !== 0) throw new Error(`no network namespace: ${made.stderr.toString()}`);
  try {
    spawnSync(["ip", "-n", namespace, "link", "set", "lo", "up"]);
    const script = join(import.meta.dir, "walkthrough/walk.ts");
    const child = spawn(["ip", "netns", "exec", namespace, process.execPath, script, databaseType], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [output, errors, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
    if (status !== 0) throw new Error(`the walk-through ended with status ${status}\n${output}\n${errors}`);
    return output;
  } finally {
    spawnSync(["ip", "netns", "del", namespace]);
  }
}

// Skips where there is no root, no User-mode Linux or no PostgreSQL: the reason is printed.
describe.skipIf(why !== null)("the README's walk-through", () => {
  test.each(["sqlite", "postgres"])(
    "runs as it stands on %s",
    async (databaseType) => {
      const output = await walk(databaseType);
      expect(output).toContain("created the share /projects");
      expect(output).toContain("nolock 127.0.0.1:/projects /mnt");
      expect(output).toContain("Curiouser and curiouser!");
      expect(output).toContain("uid 1001 was refused");
    },
    walkMs,
  );
});

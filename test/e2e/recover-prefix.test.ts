import { expect, test } from "bun:test";
import { spawn } from "bun";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { Stable } from "../support/nfs-types.ts";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { after } from "../support/wait.ts";

/**
 * With durability `local` a lost machine costs the last moments, and nothing else: what is recovered is a prefix of what one client did in
 * order, with every byte, and not shorter than the history said it was. CRASH_ROUNDS sets how many machines are lost, FSX_SEED runs a seed again.
 */

const rounds = Number(Bun.env.CRASH_ROUNDS ?? 4);
const roundMs = 30_000;
const killAfterMsMin = 1_200;
const killAfterMsMax = 4_000;
const fileBytes = 20_000;

/** Every 4 bytes say which file it is. */
function contentOf(i: number): Buffer {
  const bytes = Buffer.alloc(fileBytes);
  for (let at = 0; at < fileBytes; at += 4) bytes.writeUInt32BE(i, at);
  return bytes;
}

test(
  "what is recovered is a prefix of what was done, no older than the history said",
  async () => {
    const seed = seedFor("recovered prefix", "FSX_SEED");
    const random = new SeededRandom(seed);
    const directory = temporaryDirectory("recover-prefix");
    const store = join(directory.path, "blocks");
    let data = join(directory.path, "machine-0");
    let server = await Server.start({ dataDir: data, port: await freePort() });
    let admin = await Admin.at(server);
    await admin.do("POST", "/api/v1/store/block", { name: "kept", type: "filesystem", config: { path: store, history: true } });
    await admin.do("POST", "/api/v1/shares", { name: "/kept", blocks: "kept", durability: "local", default_permission: "read-write" });
    let done = 0;
    for (let round = 1; round <= rounds; round++) {
      const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      const root = await client.mount("/kept");
      let killed = false;
      /** Everything up to here was done before the history said that it has all. */
      let promised = done;
      /** When each was done, those before this round left out. */
      const first = done;
      const doneMs: number[] = [];
      const watching = (async () => {
        while (!killed) {
          const askedMs = performance.now();
          const status = (await admin.do("GET", "/api/v1/shares/kept/status").catch(() => null)) as { history: { recoverable: boolean; lag_ms: number | null } } | null;
          if (status?.history.recoverable !== true) continue;
          const sinceMs = askedMs - (status.history.lag_ms ?? 0);
          while (doneMs[promised - first] !== undefined && (doneMs[promised - first] as number) < sinceMs) promised++;
        }
      })();
      const working = (async () => {
        for (let i = done + 1; ; i++) {
          // A new file takes the place of the last one: the content of both is known, whatever is found.
          const handle = (await client.create(root, `new-${i}`, { mode: 0o644 })).handle as Uint8Array;
          await client.write(handle, 0, contentOf(i), Stable.unstable);
          await client.commit(handle);
          await client.rename(root, `new-${i}`, root, "current");
          await client.mkdir(root, `done-${i}`, { mode: 0o755 });
          done = i;
          doneMs.push(performance.now());
        }
      })().catch(() => {});
      await after(killAfterMsMin + random.below(killAfterMsMax - killAfterMsMin));
      await server.kill();
      killed = true;
      client.close();
      await Promise.all([working, watching]);
      rmSync(data, { recursive: true });

      data = join(directory.path, `machine-${round}`);
      const child = spawn([binaryPath(), "recover", "--from", "filesystem", "--path", store, "--data-dir", data], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
      const [err, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
      expect({ status, err: status === 0 ? "" : err }).toEqual({ status: 0, err: "" });
      server = await Server.start({ dataDir: data, port: await freePort() });
      admin = await Admin.at(server);
      await admin.do("PUT", "/api/v1/shares/kept", { default_permission: "read-write" }).catch(() => {});
      const reader = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      const names = (await reader.list(root)).map(({ name }) => name.toString());
      const found = names.filter((name) => name.startsWith("done-")).map((name) => Number(name.slice(5))).sort((a, b) => a - b);
      const last = found.at(-1) ?? 0;
      const where = `seed ${seed}, round ${round}: ${last} of ${done} found, ${promised} promised`;
      // Nothing before the last is missing.
      expect(`${where}; ${found.length}`).toBe(`${where}; ${last}`);
      expect(last, where).toBeGreaterThanOrEqual(promised);
      if (last > 0) {
        const bytes = await reader.readAll((await reader.lookup(root, "current")).handle);
        const is = bytes.readUInt32BE(0);
        expect([last, last + 1], where).toContain(is);
        expect(bytes.equals(contentOf(is)), where).toBe(true);
        // Of the one that was under way there may be a part.
        expect(names.filter((name) => name.startsWith("new-") && name !== `new-${last + 1}`), where).toEqual([]);
      }
      await reader.remove(root, `new-${last + 1}`).catch(() => {});
      done = last;
      reader.close();
      console.log(where);
    }
    await server.stop();
    directory.remove();
  },
  roundMs * (rounds + 1),
);

import { afterAll, expect, test } from "bun:test";
import { readFileSync, readdirSync } from "node:fs";
import { Admin } from "../../support/admin.ts";
import { NfsClient } from "../../support/nfs-client.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** A crowd at the port of the REST interface, in front of a server that may not open many files. */

const directory = temporaryDirectory("crowd");
const openFilesMax = 512;
const crowd = 700;
const observedMs = 1500;

afterAll(() => directory.remove());

/** Time of the processor the server has had, in milliseconds; the kernel counts hundredths of a second. */
function cpuMs(server: Server): number {
  const fields = readFileSync(`/proc/${server.process.pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const descriptors = (server: Server): number => readdirSync(`/proc/${server.process.pid}/fd`).length;

test("files are served beside it as if it were not there, the processor rests, and the interface answers after it", async () => {
  const port = await freePort();
  const server = await Server.start({ dataDir: directory.path, port, openFilesMax });
  const open: RawConnection[] = [];
  try {
    const admin = await Admin.at(server);
    const client = await NfsClient.connect({ port, mountPort: port, credentials: { uid: 0, gid: 0, groups: [] } });
    const root = await client.mount("/export");
    const apiPort = Number(new URL(server.apiUrl).port);
    const beginnings = ["", "GET /api/v1/shares HTTP/1.1\r\nHost: x\r\n", "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"];
    for (let i = 0; i < crowd; i++) {
      const connection = await RawConnection.open(apiPort);
      connection.send(Buffer.from(beginnings[i % beginnings.length] as string));
      open.push(connection);
    }
    await until("the excess is closed", 10_000, () => (open.filter((each) => each.open).length < openFilesMax / 4 ? true : null));
    expect(descriptors(server)).toBeLessThan(openFilesMax - 100);
    const [cpuBefore, start] = [cpuMs(server), performance.now()];
    await until("a while of file service beside the crowd", 20_000, async () => {
      const fresh = await NfsClient.connect({ port, mountPort: port, credentials: { uid: 0, gid: 0, groups: [] } });
      await fresh.getattr(await fresh.mount("/export"));
      fresh.close();
      await client.getattr(root);
      return performance.now() - start > observedMs ? true : null;
    });
    expect((cpuMs(server) - cpuBefore) / (performance.now() - start)).toBeLessThan(0.5);
    expect(server.output).not.toContain("EMFILE");
    for (const connection of open.splice(0)) connection.close();
    // A connection that comes before the server has seen their end may be one too many still.
    await until("the interface to answer", 5_000, async () => ((await admin.ask("GET", "/api/v1/shares").catch(() => null))?.status === 200 ? true : null));
    expect((await (await Admin.at(server)).ask("GET", "/api/v1/shares")).status).toBe(200);
    client.close();
  } finally {
    for (const connection of open) connection.close();
    expect(await server.stop()).toBe(0);
  }
}, 180_000);

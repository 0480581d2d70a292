/**
 * Authenticated reads of the REST interface, in requests a second of the server's CPU: `bun test/bench/api.ts [seconds]`. The server
 * is a process of its own; each of the connections asks, reads the answer and asks again.
 */
import { connect } from "node:net";
import { join } from "node:path";

const target = 2000;
const connections = 16;
const seconds = Number(Bun.argv[2] ?? 2);

interface Message {
  readonly port?: number;
  readonly token?: string;
  readonly cpu?: { readonly user: number; readonly system: number };
}

let heard: (message: Message) => void = () => {};
const next = (): Promise<Message> => new Promise((resolve) => (heard = resolve));
const started = next();
const child = Bun.spawn([process.execPath, join(import.meta.dir, "api-server.ts")], { ipc: (message: Message) => heard(message), stdout: "inherit", stderr: "inherit" });
const { port, token } = await started;

/** User and system time of the server so far, in seconds. */
async function cpuSec(): Promise<number> {
  const answer = next();
  child.send("cpu");
  const { cpu } = await answer;
  return ((cpu?.user ?? 0) + (cpu?.system ?? 0)) / 1e6;
}

interface Load {
  count: number;
  bytes: number;
  stop: boolean;
}

/** Asks over one connection until told to stop. */
function ask(path: string, load: Load): Promise<void> {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  return new Promise((resolve, reject) => {
    const socket = connect(port as number, "127.0.0.1", () => socket.write(request));
    let text = "";
    socket.setEncoding("latin1");
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
      if (end < 0 || text.length < end + 4 + length) return;
      if (!text.startsWith("HTTP/1.1 200")) return void reject(new Error(text.slice(0, 300)));
      load.count++;
      load.bytes += text.length;
      text = "";
      if (load.stop) socket.destroy();
      else socket.write(request);
    });
  });
}

async function measure(path: string, forSec: number): Promise<{ readonly rate: number; readonly perCpu: number; readonly bytes: number }> {
  const load: Load = { count: 0, bytes: 0, stop: false };
  const cpuBefore = await cpuSec();
  const start = performance.now();
  const all = Promise.all(Array.from({ length: connections }, () => ask(path, load)));
  setTimeout(() => (load.stop = true), forSec * 1000);
  await all;
  const wallSec = (performance.now() - start) / 1000;
  return { rate: load.count / wallSec, perCpu: load.count / ((await cpuSec()) - cpuBefore), bytes: load.bytes / load.count };
}

for (const path of ["/api/v1/auth/me", "/api/v1/users/user7", "/api/v1/shares/share7", "/api/v1/shares", "/api/v1/users", "/health"]) {
  await measure(path, 0.3);
  const { rate, perCpu, bytes } = await measure(path, seconds);
  console.log(`${path.padEnd(24)} ${Math.round(rate).toString().padStart(7)} requests/s  ${Math.round(perCpu).toString().padStart(7)} a CPU-second of the server  ${Math.round(bytes).toString().padStart(6)} bytes  ${perCpu >= target ? "" : `below the target of ${target}`}`);
}
child.send("stop");
await child.exited;

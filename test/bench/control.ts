/**
 * The control plane of a compiled server: authenticated reads of the REST interface, and what log-ins beyond what bcrypt can do cost
 * those who use files.
 */
import { type ApiClient, openClient } from "./api-client.ts";
import { cpuSecondsOf, load, median, type Sample } from "./measure.ts";
import { type Bound, number } from "./report.ts";
import type { Server } from "./servers.ts";

const people = 100;
const password = "correct horse";
const connections = 16;
const readSeconds = 2;
/** So many log-ins a second are offered, half of them with a wrong password, each from an address of its own. */
const loginsPerSecond = 50;
/** Those that wait for bcrypt are as many as may by then. */
const fillSeconds = 3;

const reads = ["/api/v1/users/user7", "/api/v1/shares/export", `/api/v1/users?page_size=${people}`] as const;

const shapes = [
  { name: "one call at a time on one connection", options: ["-C", "1", "-Q", "1"] },
  { name: "8 connections, 16 calls in flight each", options: ["-C", "8", "-Q", "16"] },
] as const;

interface Reads {
  readonly perCpu: number;
  readonly rate: number;
  readonly bytes: number;
}

async function measureReads(client: ApiClient, path: string, pid: number, seconds: number): Promise<Reads> {
  const cpuBefore = await cpuSecondsOf(pid);
  const { answers, bytes, wallSec } = await client.keepAsking(path, connections, seconds);
  const cpuSec = (await cpuSecondsOf(pid)) - cpuBefore;
  return { perCpu: answers / cpuSec, rate: answers / wallSec, bytes: bytes / answers };
}

async function readBounds(client: ApiClient, server: Server, rounds: number): Promise<readonly Bound[]> {
  const measured = new Map<string, Reads[]>(reads.map((path) => [path, []]));
  for (const path of reads) await measureReads(client, path, server.pid, readSeconds / 4);
  for (let round = 0; round < rounds; round++) for (const [path, all] of measured) all.push(await measureReads(client, path, server.pid, readSeconds));
  return [...measured].map(([path, all]) => ({
    what: `GET ${path}`,
    value: median(all.map((one) => one.perCpu)),
    unit: "a CPU-second",
    most: null,
    least: 2000,
    detail: `${number(median(all.map((one) => one.rate)))}/s over ${connections} connections, answers of ${number(median(all.map((one) => one.bytes)))} bytes`,
  }));
}

/** Offers log-ins at their rate until told to stop; `stop` resolves when each was answered. */
function offerLogins(client: ApiClient, answers: Map<string, number>): { stop(): Promise<void> } {
  const began = performance.now();
  const running: Promise<void>[] = [];
  const offer = async (): Promise<void> => {
    const n = attempts++;
    const status = await client.login(`user${n % people}`, n % 2 === 0 ? password : "wrong horse", `127.${1 + ((n >> 16) & 127)}.${(n >> 8) & 255}.${n & 255}`);
    answers.set(status, (answers.get(status) ?? 0) + 1);
  };
  const timer = setInterval(() => {
    while (running.length < ((performance.now() - began) / 1000) * loginsPerSecond) running.push(offer());
  }, 5);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
    },
  };
}
let attempts = 1;

async function loginBounds(client: ApiClient, server: Server, rounds: number, seconds: number): Promise<readonly Bound[]> {
  const answers = new Map<string, number>();
  const quiet = shapes.map((): Sample[] => []);
  const busy = shapes.map((): Sample[] => []);
  const getattr = async (into: Sample[][]): Promise<void> => {
    for (const [i, shape] of shapes.entries()) into[i]?.push(await load(server, "getattr", ["-t", String(seconds), "-n", "5000", "-k", "-B", `bench-${i}`, ...shape.options]));
  };
  for (let round = 0; round < rounds; round++) {
    await getattr(quiet);
    const logins = offerLogins(client, answers);
    await Bun.sleep(fillSeconds * 1000);
    await getattr(busy);
    await logins.stop();
  }
  const offered = `answers to the log-ins: ${[...answers].map(([status, count]) => `${status} × ${number(count)}`).join(", ")}`;
  return shapes.map((shape, i) => {
    const of = (samples: readonly Sample[] | undefined, value: (sample: Sample) => number) => median((samples ?? []).map(value)) / 1000;
    const before = of(quiet[i], (sample) => sample.p99_us);
    const after = of(busy[i], (sample) => sample.p99_us);
    const p50 = `p50 ${of(quiet[i], (sample) => sample.p50_us).toFixed(3)} → ${of(busy[i], (sample) => sample.p50_us).toFixed(3)} ms`;
    return { what: `rise of GETATTR's p99 by ${loginsPerSecond} log-ins a second, ${shape.name}`, value: after - before, unit: "ms", most: 5, detail: `p99 ${before.toFixed(3)} → ${after.toFixed(3)} ms, ${p50}${i === 0 ? `; ${offered}` : ""}` };
  });
}

/** Medians over the rounds, those with and without log-ins in turn. */
export async function controlBounds(server: Server, rounds: number, seconds: number): Promise<readonly Bound[]> {
  if (server.api === null) throw new Error(`${server.name} has no REST interface`);
  const client = await openClient(server.api);
  for (let i = 0; i < people; i++) await client.post("/api/v1/users", { username: `user${i}`, password });
  return [...(await readBounds(client, server, rounds)), ...(await loginBounds(client, server, rounds, seconds))];
}
